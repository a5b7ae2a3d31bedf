"""The SSR paper's progressive shrinking without its loss (Table 4, last row): the globally lowest candidates leave.

Sigmoid-normalised probabilities, no regularizer. After a warm-up, decisions fall at equal intervals, as many as the
super-network has layers. Each removes an equal share of all that has to go: of each level the candidates with the
lowest probability, whatever their choice.
"""

from strategies.forced import GloballyLowest
from strategies.method import MethodOptions
from strategies.regularizers import none
from strategies.relaxation import SigmoidNormalised
from strategies.strategy import DifferentiableStrategy


class Progressive(DifferentiableStrategy):
    """Shrinking by rank.

    Args:
        method: learning rates and schedules; ``rho``, ``h`` and ``explore`` have no effect.
        seed: of the initial logits.
    """

    def __init__(self, method: MethodOptions | None = None, seed: int = 0) -> None:
        method = method or MethodOptions()
        super().__init__(SigmoidNormalised(), none, GloballyLowest(method.warmup), method, seed)
