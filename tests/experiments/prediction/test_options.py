"""How a network is applied: sizes and scales, and what is refused."""

import pytest

from experiments.prediction.options import EvalOptions
from nas_space.errors import InputError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (EvalOptions(size="31x64"), "at least 32"),
        (EvalOptions(size="big"), "size 'big'"),
        (EvalOptions(scales=[]), "eval.scales"),
        (EvalOptions(scales=[1.0, 1.0]), "different"),
        (EvalOptions(scales=[-1.0]), "above 0"),
        (EvalOptions(scales=[float("nan")]), "above 0"),
        (EvalOptions(scales=[0.5]), "eval.scales: 0.5 of 40x56: size '20x28'"),
        (EvalOptions(scales=[1e9]), "at most 65536"),
    ],
)
def test_options_without_meaning(options: EvalOptions, words: str) -> None:
    with pytest.raises(InputError, match=words):
        options.views((40, 56))


def test_the_size_of_training_unless_another_is_given() -> None:
    assert EvalOptions().views((40, 56)).sizes == [(40, 56)]
    assert EvalOptions(size="64x96", scales=[0.5, 2.0]).views((40, 56)).sizes == [(32, 48), (128, 192)]
