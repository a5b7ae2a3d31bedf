"""The fastest of several convolutions, on a clock of the test."""

import itertools

import pytest

from experiments.benchmark.search import peak

# Small ones, in the same proportion to each other: the real ones take minutes where bf16 is emulated.
SHAPES = tuple(
    (batch, channels // 8, height // 8, width // 8, kernel) for batch, channels, height, width, kernel in peak.SHAPES
)


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_the_peak_is_that_of_the_fastest_convolution(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third call, of the first shape, takes 2 s, others 4 s: those of the last shape are still twice as fast."""
    ticks, now = itertools.count(1), [0.0]

    def looked(device: str) -> float:
        number = next(ticks)
        if number % 2 == 0:
            now[0] += 2.0 if number == 6 else 4.0
        return now[0]

    monkeypatch.setattr(peak, "now", looked)
    monkeypatch.setattr(peak, "SHAPES", SHAPES)
    assert peak.convolution_peak("cpu", precision) == 2 * 32 * 32 * 3 * 3 * 4 * 8 / 4
    assert next(ticks) == 1 + 2 * 3 * 2 * peak.CALLS  # three shapes, two layouts
