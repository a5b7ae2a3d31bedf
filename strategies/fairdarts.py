"""FairDARTS (https://arxiv.org/abs/1911.12126): every candidate has a sigmoid of its own and none suppresses another.

Candidates are mixed by ``sg(a)`` without normalisation. The zero-one loss pushes each sigmoid away from 1/2, in its L2
form ``-w01 mean (sg(a) - 1/2)^2`` over all logits of a level, ``w01 = 10``.

Differs from the original: one operator per layer, so each choice takes its largest sigmoid at the end, where the
original keeps every operator above a threshold; the loss acts after the warm-up and exploration of all strategies.
"""

from torch import Tensor

from strategies.method import MethodOptions, Rho
from strategies.regularizers import zero_one_l2
from strategies.relaxation import IndependentSigmoids
from strategies.strategy import DifferentiableStrategy


def mean_zero_one(log_p: Tensor, logits: Tensor, alive: Tensor) -> Tensor:
    """The zero-one loss of each choice, over the number of all candidates of the level."""
    return zero_one_l2(log_p, logits, alive) / alive.sum().clamp(min=1)


class FairDARTS(DifferentiableStrategy):
    """FairDARTS.

    Args:
        method: learning rates and schedules; ``zero_one`` is w01; ``rho``, ``h`` and ``rescale`` have no effect.
        seed: of the initial logits.
    """

    def __init__(self, method: MethodOptions | None = None, seed: int = 0) -> None:
        method = method or MethodOptions()
        weight = method.zero_one
        super().__init__(IndependentSigmoids(), mean_zero_one, None, method, seed, rho=Rho(weight, weight, weight))
