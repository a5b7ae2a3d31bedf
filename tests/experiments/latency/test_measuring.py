"""Networks are timed in turns with a reference, on a clock that stands still but for them."""

import gc
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.latency.measuring import (
    ENOUGH,
    LEAST,
    LONG,
    MOST,
    PASSES,
    PATIENCE,
    QUIET,
    _turn,
    _turns,
    clock_of,
    measure,
    quiet,
)


def writer(seconds: float) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        assert list(folder.iterdir()) == []
        (folder / "network").write_text(str(seconds))
        return folder / "network"

    return write


def opened(clock: Any) -> Callable[[Path], Callable[[], Any]]:
    def open_file(file: Path) -> Callable[[], Any]:
        seconds = float(file.read_text())

        def call() -> None:
            assert not gc.isenabled()
            clock.spend(seconds)

        return call

    return open_file


def test_what_each_network_takes(clock: Any) -> None:
    done: list[tuple[int, int]] = []
    times = measure(
        [writer(s) for s in (0.004, 0.002, 0.008)], opened(clock), 2, clock, lambda *these: done.append(these)
    )
    assert times == pytest.approx([4.0, 2.0, 8.0]) and gc.isenabled()
    assert done == [(number, 2 * PASSES) for number in range(1, 2 * PASSES + 1)]


def test_two_passes_that_disagree_are_followed_by_a_third(clock: Any) -> None:
    """The second network is a third slower in its first pass alone: the median of all its turns is the true one."""
    openings: list[float] = []

    def open_file(file: Path) -> Callable[[], Any]:
        seconds = float(file.read_text())
        openings.append(seconds)
        slowed = 1.33 if seconds == 0.008 and openings.count(seconds) <= 2 else 1.0
        return lambda: clock.spend(seconds * slowed)

    times = measure([writer(s) for s in (0.004, 0.002, 0.008)], open_file, 2, clock)
    assert times == pytest.approx([4.0, 2.0, 8.0])
    assert openings.count(0.002) == 2 * 2 and openings.count(0.008) == 3 * 2


def test_a_reference_alone(clock: Any) -> None:
    assert measure([writer(0.004)], opened(clock), 3, clock) == pytest.approx([4.0])


def test_a_clock_that_stands_still(clock: Any) -> None:
    assert measure([writer(0.0), writer(0.0)], opened(clock), 1, clock) == [0.0, 0.0]


def test_a_host_that_is_busy_for_seconds_changes_nothing(clock: Any) -> None:
    """A tenth of the time is quiet; most networks are never measured in it, and some are."""
    generator = random.Random(1)
    slower = [1.0 if generator.random() < 0.1 else generator.uniform(1.2, 1.8) for _ in range(100_000)]
    clock.pace = lambda now: slower[int(now / 0.4) % len(slower)]  # some turns a spell
    seconds = [0.003, *(generator.uniform(0.003, 0.006) for _ in range(60))]
    times = measure([writer(s) for s in seconds], opened(clock), 3, clock)
    assert times == pytest.approx([1000 * s for s in seconds], rel=0.02)


def test_only_quiet_turns_tell_the_share(clock: Any) -> None:
    """A neighbour slows the reference by a half and the network not at all: two thirds of its share would be wrong."""
    busy = [True, False]

    def open_file(file: Path) -> Callable[[], Any]:
        seconds = float(file.read_text())
        slowed = 1.5 if seconds == 0.003 else 1.0
        return lambda: clock.spend(seconds * (slowed if busy[int(clock() / 0.05) % 2] else 1.0))

    times = measure([writer(s) for s in (0.003, *[0.005] * 20)], open_file, 3, clock)
    assert times == pytest.approx([3.0, *[5.0] * 20], rel=0.02)


@pytest.mark.parametrize(("quiet_turns", "turns"), [(3, 3), (0, 3 * PATIENCE)])
def test_turns_end_when_enough_are_quiet_or_patience_is_over(clock: Any, quiet_turns: int, turns: int) -> None:
    """A file is opened anew for as many turns as must be quiet, and no more."""
    opened_files: list[int] = []

    def open_network() -> Callable[[], Any]:
        opened_files.append(1)
        return lambda: clock.spend(0.02)

    reference = 0.01 if quiet_turns else 0.02
    found = _turns(lambda: clock.spend(reference), (open_network() for _ in range(3)), 3, [0.01] * 20, clock)
    assert len(found) == turns and len(opened_files) == 3


def test_a_quiet_machine_gives_the_median_and_a_busy_one_its_quickest_turns() -> None:
    assert quiet([1.0, 1.02, 1.04]) == 1.02
    assert quiet([1.0, 1.0, 1.04, *[1.5] * 7]) == 1.0
    assert quiet([1.0, QUIET, QUIET + 1e-9]) == pytest.approx((1.0 + QUIET) / 2)
    assert quiet([0.5, *[1.0] * 40]) == 1.0  # one turn in twenty may be an error of the clock


@pytest.mark.parametrize(("seconds", "calls"), [(0.0, MOST), (ENOUGH / 4.9, 5), (0.9 * LONG, LEAST), (1.0, LEAST)])
def test_the_number_of_calls_is_bounded(clock: Any, seconds: float, calls: int) -> None:
    """The first one fills the caches. It is timed only where that takes next to nothing of it."""
    made: list[None] = []

    def call() -> Any:
        made.append(None)
        clock.spend(0.99 * LONG if len(made) == 1 and seconds < LONG else seconds)

    assert _turn(call, clock) == pytest.approx(seconds)
    assert len(made) == calls + (seconds < LONG)


def test_the_first_call_of_a_file_is_never_timed(clock: Any) -> None:
    """It allocates, and takes a hundred times as long."""

    def open_file(file: Path) -> Callable[[], Any]:
        seconds, made = float(file.read_text()), []

        def call() -> None:
            made.append(None)
            clock.spend(seconds if len(made) > 1 else 100 * seconds)

        return call

    assert measure([writer(s) for s in (0.1, 0.2)], open_file, 2, clock) == pytest.approx([100.0, 200.0])


def test_one_thread_is_timed_by_the_processor() -> None:
    assert clock_of(1) is time.process_time and clock_of(2) is time.perf_counter
