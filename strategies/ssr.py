"""SSR, solution space regularization with progressive shrinking (https://arxiv.org/abs/2208.05271), and its controls.

Sigmoid-normalised probabilities (docs/method.md, equation N), and the loss ``sum log p`` (``regularizers.ssr``) on each
choice of all levels (SSR paper, equations 9 and 10). After every epoch the candidates at or below ``h`` of the best of
their choice are deleted (equation 11), with all that depends on them. The search is over when every choice has one
survivor. The super-network then is the found network: there is no discretization gap.

Differs from the paper: it shrinks once per epoch instead of after every step (cheaper, no synchronisation). Beyond the
paper, and on by default: ``method.warmup``, ``method.explore``, ``method.rescale``, and ``method.uniform``, which mixes
all candidates alike until the regularizer acts (``relaxation.UniformAtFirst``). Without them it is the paper's.
``method.stagger`` decides one layer after the other (``strategies/staggered.py``). On a space that is not a
``JointSpace`` the defaults are others: ``ANY_SPACE``.

The controls of the paper's Tables 6, 13 and 14 exchange the loss and nothing else, at the same ``method.rho``:
information entropy, and the zero-one losses on ``sg(a)`` in their L1 and L2 form. These are summed over candidates and
choices as SSR is; FairDARTS takes their mean.
"""

from nni.nas.nn.pytorch import ModelSpace

from nas_space.space import JointSpace
from strategies.method import MethodOptions
from strategies.regularizers import Regularizer, information_entropy, ssr, zero_one_l1, zero_one_l2
from strategies.relaxation import Relaxation, SigmoidNormalised, UniformAtFirst
from strategies.shrinking import LevelThreshold, Shrinking
from strategies.staggered import Staggered
from strategies.strategy import DifferentiableStrategy, compose

ANY_SPACE = MethodOptions(explore=0.6, spread=1.0)
"""Defaults of SSR and its controls on any other space than a ``JointSpace``.

There a candidate may do nothing, and equal parts cannot tell that from a candidate that is needed (``UniformAtFirst``).
Drawn parts can, and they learn it late (experiments/results/nas_bench.md).
"""


class SSR(DifferentiableStrategy):
    """The paper's strategy.

    Args:
        method: learning rates, weights and schedules; absent, ``MethodOptions()`` on a ``JointSpace`` and ``ANY_SPACE``
            on any other.
        seed: of the initial logits.
    """

    loss: Regularizer = staticmethod(ssr)

    def __init__(self, method: MethodOptions | None = None, seed: int = 0) -> None:
        self._space_decides = method is None
        super().__init__(*self._parts(method or MethodOptions()), seed)

    def _parts(self, method: MethodOptions) -> tuple[Relaxation, Regularizer, Shrinking, MethodOptions]:
        shrinking = Staggered(method) if method.stagger else LevelThreshold(method.h)
        relaxation: Relaxation = SigmoidNormalised()
        if method.uniform:
            relaxation = UniformAtFirst(relaxation, method.warmup + method.explore, method.spread)
        return relaxation, type(self).loss, shrinking, method

    def mutate_model(self, model: ModelSpace) -> ModelSpace:
        if self._space_decides and not isinstance(model, JointSpace):
            composition = compose(*self._parts(ANY_SPACE))
            composition.constraint = self.constraint  # which is refused, in the words of all strategies
            self.composition = composition
        return super().mutate_model(model)


class SSRInformationEntropy(SSR):
    """Entropy ``-sum p log p`` in place of ``sum log p``."""

    loss = staticmethod(information_entropy)


class SSRL1(SSR):
    """``-sum |sg(a) - 1/2|`` in place of ``sum log p``."""

    loss = staticmethod(zero_one_l1)


class SSRL2(SSR):
    """``-sum (sg(a) - 1/2)^2`` in place of ``sum log p``."""

    loss = staticmethod(zero_one_l2)
