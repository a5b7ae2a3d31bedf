"""Latencies that decide something: measured again before a network is given up for them."""

from collections.abc import Callable, Sequence

Timed = tuple[list[float], str | None]
"""Milliseconds, and what makes them uncertain."""
AGAIN = 2
"""Further measurements."""


def time_again(measure: Callable[[], Timed], is_within: Callable[[Sequence[float]], bool]) -> Timed:
    """Measure, and again while a bound is missed; the least of each network counts, for what disturbs only adds.

    Args:
        measure: times all networks.
        is_within: whether these milliseconds keep the bound.

    Returns:
        The milliseconds, and the warning of the last measurement.
    """
    times, warned = measure()
    for _ in range(AGAIN):
        if is_within(times):
            break
        more, warned = measure()
        times = [min(pair) for pair in zip(times, more, strict=True)]
    return times, warned
