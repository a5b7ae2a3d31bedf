"""DARTS, first order (https://arxiv.org/abs/1806.09055): softmax over the candidates, nothing removed, argmax at the end.

Differs from the original: our super-network, and by default both levels see the whole training set
(``method.arch_split 0.5`` gives the original's halves). The discretization gap is what this strategy is here to show.
"""

from strategies.method import MethodOptions
from strategies.regularizers import none
from strategies.relaxation import Softmax
from strategies.strategy import DifferentiableStrategy


class DARTS(DifferentiableStrategy):
    """First-order DARTS on the joint space.

    Args:
        method: learning rates and schedules; ``rho``, ``h``, ``explore`` and ``rescale`` have no effect.
        seed: of the initial logits.
    """

    def __init__(self, method: MethodOptions, seed: int = 0) -> None:
        super().__init__(Softmax(), none, None, method, seed)
