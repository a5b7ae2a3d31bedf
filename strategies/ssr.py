"""SSR: solution space regularization with hierarchical progressive shrinking (https://arxiv.org/abs/2208.05271).

Sigmoid-normalised probabilities (equation N of the specification), the loss ``sum log p`` on every choice of all levels
(equations 9 and 10), and after every epoch the deletion of candidates at or below ``h`` of the best of their choice
(equation 11), with all that depends on them. The search is over when every choice has one survivor, and the super-network
then is the found network: there is no discretization gap.

Differs from the paper: shrinking once an epoch instead of after every step (cheaper, no synchronisation). Beyond the paper, and
on by default: ``method.warmup``, ``method.explore`` and ``method.rescale``; all off gives the paper's plain behaviour.
"""

from strategies.method import MethodOptions
from strategies.regularizers import ssr
from strategies.relaxation import SigmoidNormalised
from strategies.shrinking import LevelThreshold
from strategies.strategy import DifferentiableStrategy


class SSR(DifferentiableStrategy):
    """The paper's strategy.

    Args:
        method: learning rates, weights and schedules.
        seed: of the initial logits.
    """

    def __init__(self, method: MethodOptions, seed: int = 0) -> None:
        super().__init__(SigmoidNormalised(), ssr, LevelThreshold(method.h), method, seed)
