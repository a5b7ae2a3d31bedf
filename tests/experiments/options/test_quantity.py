"""Costs as people write them."""

import pytest

from experiments.options.quantity import Quantity, compact


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7.8G", 7.8e9),
        ("0.9M", 0.9e6),
        ("12K", 12e3),
        ("12k", 12e3),
        (" 3 ", 3.0),
        ("1e3", 1e3),
        ("1.5e1M", 15e6),
        (5, 5.0),
        (2.5, 2.5),
    ],
)
def test_reading(text: str | float, value: float) -> None:
    assert Quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "G", "7.8T", "7.8GG", "seven", "0", "-1K", "nan", "inf", "infK", 0, -1.0])
def test_refusing(text: str | float) -> None:
    with pytest.raises(ValueError, match="number"):
        Quantity(text)


@pytest.mark.parametrize(
    ("value", "text"), [(11.063394304e9, "11.06G"), (961_807, "961.8K"), (2e6, "2M"), (12, "12"), (0.0, "0")]
)
def test_printing(value: float, text: str) -> None:
    assert compact(value) == text
