import numpy as np
import pytest

from experiments.benchmark.networks.statistics import latency, ratio


def test_percentiles_are_over_all_calls_of_all_rounds():
    seconds = np.arange(1, 102, dtype=float)  # 1 to 101 s: the percentiles are whole numbers
    found = latency(np.concatenate((seconds, seconds)).reshape(2, 101))
    assert found.median_ms == 51_000 and found.fps == pytest.approx(1 / 51)
    assert (found.p95_ms, found.p99_ms) == pytest.approx((96_000, 100_000)) and found.quiet_ms == 3_500


def test_ratio_is_the_median_of_the_rounds():
    """By hand: medians of the rounds are 2, 6, 20 and 1, 4, 5, so the ratios are 2, 1.5 and 4."""
    first = np.array([[1.0, 2.0, 9.0], [6.0, 6.0, 5.0], [20.0, 20.0, 100.0]])
    other = np.array([[1.0, 1.0, 1.0], [4.0, 3.0, 50.0], [5.0, 4.0, 6.0]])
    found = ratio(first, other)
    assert found.median == 2.0
    assert found.low == pytest.approx(1.5 + 0.1 * (2.0 - 1.5)) and found.high == pytest.approx(2.0 + 0.9 * (4.0 - 2.0))


def test_a_slow_spell_of_the_machine_cancels():
    """The second half of the rounds is three times as slow: the ratio of overall medians would be right by chance."""
    slow = np.repeat([1.0, 1.0, 1.0, 3.0, 3.0, 3.0], 5).reshape(6, 5)
    found = ratio(0.5 * slow, slow)
    assert found == (0.5, 0.5, 0.5)
