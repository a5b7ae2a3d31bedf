"""How far long work is, in lines: for output that is no terminal, or that has no bar."""

import time
from collections.abc import Callable

from experiments.runs.tables import duration

SECONDS = 15.0
"""Least time between two lines."""


def said(
    work: str,
    say: Callable[[str], object],
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[int, int], None]:
    """A progress that says a line now and then: how much is done, and how long the rest takes at this pace.

    Args:
        work: what is done, the line's first words.
        say: told each line.
        seconds: least time between two lines.
        clock: in seconds.
    """
    start = last = clock()

    def progress(done: int, of: int) -> None:
        nonlocal last
        now = clock()
        if 0 < done < of and now - last >= seconds:
            last = now
            say(f"{work}: {done} of {of}, about {duration((now - start) / done * (of - done))} left")

    return progress
