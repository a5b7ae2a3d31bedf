"""How far long work is, in lines: for output that is no terminal, or that has no bar."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def status(seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[str], None]]:
    """What tells the present step of long work: one line that changes on a terminal, elsewhere a line now and then.

    Args:
        seconds: least time between two lines.
        clock: in seconds.
    """
    from tqdm import tqdm

    last: float | None = None
    with tqdm(total=0, bar_format="{desc}", leave=False, disable=None) as bar:

        def tell(step: str) -> None:
            nonlocal last
            if not bar.disable:
                bar.set_description_str(step)
            elif last is None or clock() - last >= seconds:
                last = clock()
                print(step, file=sys.stderr, flush=True)

        yield tell
