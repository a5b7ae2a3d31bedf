"""What first-order DARTS is composed of."""

from strategies.darts import DARTS
from strategies.method import MethodOptions
from strategies.regularizers import none
from strategies.relaxation import Softmax


def test_composition() -> None:
    strategy = DARTS(MethodOptions(), 7)
    assert type(strategy.composition.relaxation) is Softmax
    assert strategy.composition.regularizer is none
    assert strategy.composition.shrinking is None and strategy.seed == 7
