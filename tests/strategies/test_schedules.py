"""Schedules of progress."""

import pytest

from strategies.schedules import poly, rho_scale


@pytest.mark.parametrize(
    ("progress", "warmup", "explore", "expected"),
    [
        (0.0, 0.0, 0.0, 1.0),
        (0.99, 0.0, 0.0, 1.0),
        (0.19, 0.2, 0.0, 0.0),
        (0.2, 0.2, 0.0, 1.0),
        (0.2, 0.2, 0.4, 0.0),
        (0.59, 0.2, 0.4, 0.0),
        (0.61, 0.2, 0.4, 1.0),
        (0.49, 0.0, 0.5, 0.0),
        (0.5, 0.0, 0.5, 1.0),
    ],
)
def test_rho_scale(progress: float, warmup: float, explore: float, expected: float) -> None:
    assert rho_scale(progress, warmup, explore) == expected


def test_rho_scale_never_falls() -> None:
    values = [rho_scale(i / 100, 0.1, 0.5) for i in range(100)]
    assert values == sorted(values) and values[0] == 0 and values[-1] == 1


def test_poly() -> None:
    assert poly(0.0) == 1.0
    assert poly(0.5) == pytest.approx(0.5**0.9)
    assert poly(1.0) == 0.0
    assert poly(0.25, 2) == pytest.approx(0.5625)
