import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import tqdm.std

from experiments.data import parallel
from experiments.data.parallel import in_threads


def test_order_is_kept_and_threads_work_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four that are inside together, each ends only after the one behind it."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    together = threading.Barrier(4, timeout=60)  # breaks unless four are inside at a time
    ended: list[int] = []
    done = [threading.Event() for _ in range(8)]

    def work(item: int) -> int:
        together.wait()
        assert item % 4 == 3 or done[item + 1].wait(60)
        ended.append(item)
        done[item].set()
        return item * item

    assert list(in_threads(work, range(8), "test")) == [item * item for item in range(8)]
    assert ended == [3, 2, 1, 0, 7, 6, 5, 4]


def test_the_first_failure_in_order_is_raised_and_the_rest_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 3 fails before item 2; what comes after them ends only when the pool does."""
    ending, failed = threading.Event(), threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, *arguments: Any, **settings: Any) -> None:
            ending.set()
            super().shutdown(*arguments, **settings)

    monkeypatch.setattr(parallel, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 2:
            assert failed.wait(60)
        if item == 3:
            failed.set()
        if item in (2, 3):
            raise ValueError(f"item {item}")
        assert item < 2 or ending.wait(60)
        return item

    with pytest.raises(ValueError, match="item 2"):
        list(in_threads(work, range(500), "test"))
    assert {0, 1, 2, 3} <= set(begun) <= {0, 1, 2, 3, 4, 5}


def test_a_bar_only_where_it_takes_long(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On the bar's clock it is so many seconds later whenever it looks."""

    def told(seconds: float, terminal: bool) -> str:
        monkeypatch.setattr(tqdm.std, "time", itertools.count(0.0, seconds).__next__)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
        assert list(in_threads(str, range(30), "digits")) == [str(i) for i in range(30)]
        return capsys.readouterr().err

    assert told(1.0, terminal=False) == "" and "digits" in told(1.0, terminal=True)
    assert told(parallel.DELAY / 40, terminal=True) == ""  # thirty items, and a few more looks: not quite DELAY in all
