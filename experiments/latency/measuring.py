"""Time exported networks one by one, each in turns with a reference network. No torch: a board runs this file too.

A call takes longer where other processes have the caches or the host is busy. This hits the reference as well, which
runs just before and just after. So what is measured is how many times the reference's time a network takes, while the
reference is as quick as it can be: a host may be a third slower for seconds. How long the reference takes by itself is
known best at the end: it has run hundreds of times.
"""

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, product
from pathlib import Path
from statistics import median
from typing import NamedTuple

from experiments.runtime.engines import Call

LEAST, MOST = 1, 10  # timed calls of a turn; short turns fit between the spells of a busy host
ENOUGH = 0.004  # seconds of timed calls after which a turn ends
LONG = 0.02  # seconds of a call that counts though another network has just had the caches: filling them takes 1 %
QUIET = 1.1  # a turn was quiet where it took at most so many times what the quickest turns took
FIRST = 20  # turns of the reference before all others: they show how quick it can be
PATIENCE = 3  # most turns of a network for each that must be quiet
PASSES = 3  # through all networks, with minutes between them; the last one takes those alone whose first two disagree
OPENINGS = 2  # of a network's file in a pass, so that none keeps a lucky place in memory
AGREE = 1.04  # most that the shares of two passes that agree differ by


class _Turn(NamedTuple):
    """Seconds of a network, and of the reference just before and just after it."""

    before: float
    seconds: float
    after: float

    @property
    def share(self) -> float:
        """Of the reference's time."""
        both = self.before + self.after
        return 2 * self.seconds / both if both > 0 else 1.0

    def is_quiet(self, limit: float) -> bool:
        """Whether the reference took at most ``limit`` on both sides."""
        return max(self.before, self.after) <= limit


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
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> list[float]:
    """Milliseconds of one call of each network.

    Args:
        networks: what is timed; the first one is the reference.
        open_file: opens a file in the engine.
        rounds: quiet turns of each network in a pass, at least 1.
        clock: the clock, in seconds.
        progress: told how many measurements are done, and of how many.
    """

    def opened(network: _Timed) -> Call:
        call = open_file(network.file())
        call()  # allocates
        return call

    with tempfile.TemporaryDirectory(prefix="ssr-nas-") as name, _no_collection():
        reference, *others = (_Timed(network, Path(name) / str(number)) for number, network in enumerate(networks))
        pace = [_turn(opened(reference), clock) for _ in range(max(rounds, FIRST))]

        def take_turns(network: _Timed) -> None:
            calls = (opened(network) for _ in range(min(rounds, OPENINGS)))
            network.passes.append(_turns(opened(reference), calls, rounds, pace, clock))

        for done, (turn, network) in enumerate(product(range(PASSES), others), 1):
            if turn < PASSES - 1 or network.is_doubtful(pace):
                take_turns(network)
            progress(done, PASSES * len(others))
        usual = quiet(pace)
        return [1000 * usual, *(1000 * usual * network.share(pace) for network in others)]


class _Timed:
    """A network, its file and its turns."""

    def __init__(self, write: Writer, folder: Path) -> None:
        self.write, self.folder = write, folder
        self.passes: list[list[_Turn]] = []
        self._file: Path | None = None

    def file(self) -> Path:
        """Its file; written when it is first asked for."""
        if self._file is None:
            self.folder.mkdir()
            self._file = self.write(self.folder)
        return self._file

    def share(self, pace: Sequence[float]) -> float:
        """How many times the reference's time it takes, where neither was slowed down.

        Of its quiet turns the quickest count: a spell may be so short that it hits the network alone. Where no turn
        was quiet, the median of all counts.
        """
        return _share(list(chain(*self.passes)), pace)

    def is_doubtful(self, pace: Sequence[float]) -> bool:
        """Whether two passes contradict each other."""
        shares = sorted(_share(turns, pace) for turns in self.passes)
        return shares[-1] > AGREE * shares[0]


def _turns(beside: Call, opened: Iterator[Call], rounds: int, pace: list[float], clock: Clock) -> list[_Turn]:
    """Turns of a network between turns of the reference until ``rounds`` are quiet, at most ``PATIENCE`` times as many.

    Each takes the next of ``opened``, and the last one again where there is none.
    """
    turns: list[_Turn] = []
    pace.append(_turn(beside, clock))
    network = next(opened)
    while True:
        before, seconds, after = pace[-1], _turn(network, clock), _turn(beside, clock)
        pace.append(after)
        turns.append(_Turn(before, seconds, after))
        limit = QUIET * quickest(pace)
        if sum(turn.is_quiet(limit) for turn in turns) == rounds or len(turns) == PATIENCE * rounds:
            return turns
        network = next(opened, network)


def _share(turns: Sequence[_Turn], pace: Sequence[float]) -> float:
    limit = QUIET * quickest(pace)
    shares = [turn.share for turn in turns if turn.is_quiet(limit)]
    return quiet(shares) if shares else median(turn.share for turn in turns)


def quickest(seconds: Sequence[float]) -> float:
    """What the quickest took: one in twenty may be an error of the clock."""
    return sorted(seconds)[len(seconds) // 20]


def quiet(seconds: Sequence[float]) -> float:
    """What a turn takes on a machine that does nothing else: the median of the turns that were quiet.

    On a quiet machine that is the median of nearly all. On a busy one it is what the quickest turns took.

    Args:
        seconds: of some turns of the same network.
    """
    limit = QUIET * quickest(seconds)
    return median(turn for turn in seconds if turn <= limit)


def _turn(call: Call, clock: Clock) -> float:
    """Median seconds of ``LEAST`` to ``MOST`` calls, until ``ENOUGH`` seconds have passed.

    The first one also fills the caches. It counts where it is ``LONG``.
    """
    seconds = [_timed(call, clock)]
    if seconds[0] < LONG:
        seconds.clear()
    while len(seconds) < LEAST or (len(seconds) < MOST and sum(seconds) < ENOUGH):
        seconds.append(_timed(call, clock))
    return median(seconds)


def _timed(call: Call, clock: Clock) -> float:
    start = clock()
    call()
    return clock() - start


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
