"""What the paper's strategy is composed of."""

from strategies.method import MethodOptions
from strategies.regularizers import ssr
from strategies.relaxation import SigmoidNormalised
from strategies.shrinking import LevelThreshold
from strategies.ssr import SSR


def test_composition() -> None:
    strategy = SSR(MethodOptions(h=0.2), 7)
    assert type(strategy.relaxation) is SigmoidNormalised
    assert strategy.regularizer is ssr
    assert isinstance(strategy.shrinking, LevelThreshold) and strategy.shrinking.h == 0.2
    assert strategy.seed == 7
