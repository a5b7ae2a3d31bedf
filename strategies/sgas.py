"""SGAS, sequential greedy architecture search (https://arxiv.org/abs/1912.00195), with or without SSR.

Softmax over the candidates. After a warm-up, decisions fall at equal intervals; each fixes the choices with the best
score to their most probable candidate. Criterion 1 scores by certainty ``1 - H(p) / log n``, criterion 2
(``method.criterion 2`` or the name ``sgas2``) by certainty times stability, the histogram intersection with the last
four epochs.

Differs from the original: there is no zero operator, so the edge importance is 1 everywhere; a term that is equal for
all choices is 1 after scaling (in the original it is 0 for all); there are as many decisions as layers, and each fixes
an equal share of the undecided choices of every level; the batch does not grow.
"""

from dataclasses import replace

from strategies.forced import GreedyDecisions
from strategies.method import MethodOptions
from strategies.regularizers import Regularizer, none, ssr
from strategies.relaxation import Softmax
from strategies.strategy import DifferentiableStrategy


class SGAS(DifferentiableStrategy):
    """SGAS.

    Args:
        method: learning rates and schedules; ``h`` and ``rescale`` have no effect, nor has ``rho`` without SSR.
        seed: of the initial logits.
    """

    loss: Regularizer = staticmethod(none)

    def __init__(self, method: MethodOptions | None = None, seed: int = 0) -> None:
        method = method or MethodOptions()
        super().__init__(Softmax(), type(self).loss, GreedyDecisions(method.warmup, method.criterion), method, seed)


class SGASStability(SGAS):
    """SGAS with ``method.criterion`` 2, so that one comparison can hold both."""

    def __init__(self, method: MethodOptions | None = None, seed: int = 0) -> None:
        method = method or MethodOptions()
        super().__init__(replace(method, criterion=2), seed)


class SGASWithSSR(SGAS):
    """SGAS plus the SSR loss on the undecided choices (SSR paper, Table 5), weighted by ``method.rho``."""

    loss = staticmethod(ssr)
