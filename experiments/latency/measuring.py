"""Time exported networks one by one, each in turns with a reference network. No torch: a board runs this file too.

A call takes longer where other processes have the caches or the host is busy. This hits the reference as well, which
runs just before and just after. So what is measured is how many times the reference's time a network takes. How long
the reference takes by itself is known best at the end: it has run hundreds of times.
"""

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from experiments.runtime.engines import Call

LEAST, MOST = 3, 10  # timed calls of a turn
ENOUGH = 0.03  # seconds of timed calls after which a turn ends
QUIET = 1.1  # a turn was quiet where it took at most so many times what the quickest turns took

Clock = Callable[[], float]
Writer = Callable[[Path], Path]
"""Writes a network's file into an empty folder, and returns it."""


def clock_of(threads: int) -> Clock:
    """The clock of a measurement, in seconds.

    With one thread it is the processor time of this process. On an idle machine that is the wall-clock time, and it
    stands still while other processes have the core. With more threads only wall-clock time shows what a call takes.
    """
    return time.process_time if threads == 1 else time.perf_counter


def measure(
    networks: Sequence[Writer],
    open_file: Callable[[Path], Call],
    rounds: int,
    clock: Clock,
    progress: Callable[[int], object] = lambda done: None,
) -> list[float]:
    """Milliseconds of one call of each network.

    Every file is opened anew in each round, so that none keeps a lucky place in memory.

    Args:
        networks: what is timed; the first one is the reference.
        open_file: opens a file in the engine.
        rounds: turns of each network, at least 1.
        clock: the clock, in seconds.
        progress: told how many networks are done.
    """
    pace: list[float] = []  # seconds of the reference, of each of its turns
    shares = [1.0]
    with tempfile.TemporaryDirectory(prefix="ssr-nas-") as name, _no_collection():
        reference = _write(networks[0], Path(name) / "reference")
        for number, network in enumerate(networks[1:], 1):
            progress(number)
            with tempfile.TemporaryDirectory(prefix="network-", dir=name) as folder:
                file = network(Path(folder))
                beside = open_file(reference)
                before, ratios = _turn(beside, clock), []
                pace.append(before)
                for _ in range(rounds):
                    seconds = _turn(open_file(file), clock)
                    after = _turn(beside, clock)
                    ratios.append(2 * seconds / (before + after) if before + after > 0 else 1.0)
                    pace.append(after)
                    before = after
            shares.append(median(ratios))
        if len(networks) == 1:
            pace = [_turn(open_file(reference), clock) for _ in range(rounds)]
    return [1000 * share * quiet(pace) for share in shares]


def quiet(seconds: Sequence[float]) -> float:
    """What a turn takes on a machine that does nothing else: the median of the turns that were quiet.

    On a quiet machine that is the median of nearly all. On a busy one it is what the quickest turns took.

    Args:
        seconds: of some turns of the same network.
    """
    quickest = sorted(seconds)[len(seconds) // 20]
    return median(turn for turn in seconds if turn <= QUIET * quickest)


def _write(network: Writer, folder: Path) -> Path:
    folder.mkdir()
    return network(folder)


def _turn(call: Call, clock: Clock) -> float:
    """Median seconds of ``LEAST`` to ``MOST`` calls, until ``ENOUGH`` seconds have passed; the first is not timed."""
    call()  # allocates, and fills the caches
    seconds: list[float] = []
    while len(seconds) < LEAST or (len(seconds) < MOST and sum(seconds) < ENOUGH):
        start = clock()
        call()
        seconds.append(clock() - start)
    return median(seconds)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python's garbage collector stays out of the timed calls."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
