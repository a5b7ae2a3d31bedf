"""P-DARTS (https://arxiv.org/abs/1904.12760): three stages with fewer and fewer candidates, with or without SSR.

Softmax over the candidates. Each of three equal stages begins with 40 % of training the weights alone and with new
logits; at the ends every choice keeps its best ``ceil(0.6 n)``, ``ceil(0.4 n)`` and 1 of the n candidates it began with
(5 -> 3 -> 2 -> 1).

Differs from the original: the number of layers is fixed; one super-network keeps its weights from stage to stage; there
is no skip candidate, so dropout on skips and their limit do not apply; all choices of all levels are cut alike.
"""

from strategies.forced import Stages
from strategies.method import MethodOptions
from strategies.regularizers import Regularizer, none, ssr
from strategies.relaxation import Softmax
from strategies.schedules import Phases
from strategies.strategy import DifferentiableStrategy


class PDARTS(DifferentiableStrategy):
    """P-DARTS.

    Args:
        method: learning rates; ``rho``, ``h``, ``warmup``, ``explore`` and ``rescale`` have no effect.
        seed: of the initial logits.
    """

    loss: Regularizer = staticmethod(none)

    def __init__(self, method: MethodOptions | None = None, seed: int = 0) -> None:
        method = method or MethodOptions()
        stages = Stages()
        phases = Phases(warmup=0.4, stages=len(stages.shares))
        super().__init__(Softmax(), type(self).loss, stages, method, seed, phases=phases)


class PDARTSWithSSR(PDARTS):
    """P-DARTS plus the SSR loss (SSR paper, Table 5), weighted by ``method.rho``."""

    loss = staticmethod(ssr)
