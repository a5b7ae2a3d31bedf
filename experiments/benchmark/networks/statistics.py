"""What is said of measured times: percentiles of a network's calls, and the ratio of two networks that took turns."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.latency.measuring import quiet

Seconds = NDArray[np.float64]


class Latency(NamedTuple):
    """Milliseconds of a call: median and percentiles over all calls of all rounds; images a second at the median.

    ``quiet_ms`` is the median of the calls that nothing slowed down, as ``experiments.latency.measuring.quiet`` finds
    them: a host that is a third slower for seconds moves the median, but not this.
    """

    median_ms: float
    quiet_ms: float
    p95_ms: float
    p99_ms: float
    fps: float


class Ratio(NamedTuple):
    """Time of a network over that of another: median over rounds, and the 5th and 95th percentile of the rounds."""

    median: float
    low: float
    high: float


def latency(seconds: Seconds) -> Latency:
    """Summary of the calls of one network, ``(rounds, calls)``."""
    median, p95, p99 = (float(value) for value in 1000 * np.percentile(seconds, (50, 95, 99)))
    return Latency(median, 1000 * quiet(seconds.ravel().tolist()), p95, p99, 1000 / median)


def ratio(first: Seconds, other: Seconds) -> Ratio:
    """Time of ``first`` over that of ``other``, both ``(rounds, calls)``.

    In each round the median call of one is divided by the median call of the other: what slows the machine for longer
    than a round slows both, and cancels.
    """
    rounds = np.median(first, 1) / np.median(other, 1)
    return Ratio(*(float(value) for value in np.percentile(rounds, (50, 5, 95))))
