import random
import threading
import time
from itertools import count

import pytest

from experiments.benchmark.networks.pipeline import pipelined, sequential


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def unsteady(item):
    time.sleep(random.random() / 500)
    return item


def test_same_results_in_the_same_order():
    steps = [lambda x: unsteady(x) + 1, unsteady, lambda x: unsteady(x) * 2]
    expected = [2 * (x + 1) for x in range(60)]
    assert list(pipelined(range(60), steps, 1)) == list(sequential(range(60), steps)) == expected


def test_nothing_in_nothing_out():
    assert list(pipelined([], [unsteady, unsteady])) == [] and list(pipelined([1, 2], [])) == [1, 2]


def test_stages_run_at_the_same_time():
    """Each of three stages waits for all three: one after the other, they would wait for ever."""
    meeting = threading.Barrier(3)

    def stage(number):
        def wait(item):
            if 2 <= item + number < 10:  # all three have something to do
                meeting.wait(timeout=60)
            return item

        return wait

    assert list(pipelined(range(10), [stage(0), stage(1), stage(2)])) == list(range(10))


def test_no_more_wait_than_the_queues_hold():
    read = []

    def source():
        for number in count():
            read.append(number)
            yield number

    results = pipelined(source(), [lambda x: x, lambda x: x], capacity=2)
    assert next(results) == 0
    time.sleep(0.3)
    assert len(read) <= 1 + 3 * 2 + 3  # taken, in three queues, and one in each hand
    results.close()


@pytest.mark.parametrize("place", ["source", "first", "last"])
@pytest.mark.parametrize("endless", [True, False])
def test_a_failure_ends_it_after_what_came_before(place, endless):
    def fail_at(wanted):
        def step(item):
            if wanted and item == 5:
                raise OSError("frame 5 is damaged")
            return item

        return step

    def source():
        for number in count() if endless else range(6):
            yield fail_at(place == "source")(number)

    results = pipelined(source(), [fail_at(place == "first"), unsteady, fail_at(place == "last")], capacity=1)
    seen = []
    with pytest.raises(OSError, match="frame 5 is damaged"):
        for item in results:
            seen.append(item)
    assert seen == [0, 1, 2, 3, 4] and list(results) == []


def test_leaving_early_ends_the_threads():
    for item in pipelined(count(), [unsteady, unsteady]):
        if item == 4:
            break
    del item


def test_interrupt_of_the_reader_ends_the_threads():
    with pytest.raises(KeyboardInterrupt):
        for item in pipelined(count(), [unsteady]):
            if item == 3:
                raise KeyboardInterrupt
