"""What the paper's strategy is composed of."""

from strategies.method import MethodOptions
from strategies.regularizers import ssr
from strategies.relaxation import SigmoidNormalised, UniformAtFirst
from strategies.shrinking import LevelThreshold
from strategies.ssr import SSR


def test_composition() -> None:
    strategy = SSR(MethodOptions(h=0.2), 7)
    relaxation = strategy.composition.relaxation
    assert isinstance(relaxation, UniformAtFirst) and type(relaxation.relaxation) is SigmoidNormalised
    assert type(SSR(MethodOptions(uniform=False)).composition.relaxation) is SigmoidNormalised
    assert (relaxation.until, relaxation.spread) == (0.55, 0.0)
    drawn = SSR(MethodOptions(spread=2.0)).composition.relaxation
    assert isinstance(drawn, UniformAtFirst) and drawn.spread == 2.0
    assert strategy.composition.regularizer is ssr
    assert isinstance(strategy.composition.shrinking, LevelThreshold) and strategy.composition.shrinking.h == 0.2
    assert strategy.seed == 7
