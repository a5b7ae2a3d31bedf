"""DARTS (https://arxiv.org/abs/1806.09055): softmax over the candidates, nothing removed, argmax at the end.

First order by default. ``method.order 2`` or the name ``darts2`` takes the gradient through one step of the weights
(``strategies/bilevel.py``). This strategy is here to show the discretization gap.

Differs from the original: our super-network; by default both levels see the whole training set
(``method.arch_split 0.5`` gives the original's halves); the inner step of the second order is a plain gradient step,
although Adam trains the weights.
"""

from dataclasses import replace

from strategies.method import MethodOptions
from strategies.regularizers import none
from strategies.relaxation import Softmax
from strategies.strategy import DifferentiableStrategy


class DARTS(DifferentiableStrategy):
    """DARTS.

    Args:
        method: learning rates and schedules; ``rho``, ``h``, ``explore`` and ``rescale`` have no effect.
        seed: of the initial logits.
    """

    def __init__(self, method: MethodOptions | None = None, seed: int = 0) -> None:
        method = method or MethodOptions()
        super().__init__(Softmax(), none, None, method, seed)


class DARTSSecondOrder(DARTS):
    """DARTS with ``method.order`` 2, so that one comparison can hold both."""

    def __init__(self, method: MethodOptions | None = None, seed: int = 0) -> None:
        method = method or MethodOptions()
        super().__init__(replace(method, order=2), seed)
