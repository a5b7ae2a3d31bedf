"""SNAS, stochastic neural architecture search (https://arxiv.org/abs/1812.09926).

Candidates are mixed by a sample of the concrete distribution, ``z = softmax((log p + G) / tau)`` with Gumbel noise G,
drawn anew in every forward pass; tau falls linearly from 1 to 0.03. Single level: weights and architecture descend the
same loss on the same batch. At the end every choice takes its most probable candidate.

Differs from the original: our super-network and optimisers; no resource term (``--constraint.*`` bounds all).
Validation samples as training does, so that the super-network's score is that of the distribution.
"""

from strategies.method import MethodOptions
from strategies.regularizers import none
from strategies.relaxation import GumbelSoftmax
from strategies.strategy import DifferentiableStrategy


class SNAS(DifferentiableStrategy):
    """SNAS.

    Args:
        method: learning rates and schedules; ``rho``, ``h``, ``explore``, ``rescale`` and ``arch_split`` have no
            effect.
        seed: of the initial logits.
    """

    def __init__(self, method: MethodOptions | None = None, seed: int = 0) -> None:
        method = method or MethodOptions()
        super().__init__(GumbelSoftmax(), none, None, method, seed, single_level=True)
