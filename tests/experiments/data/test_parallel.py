import sys
import threading
import time

import pytest

from experiments.data import parallel
from experiments.data.parallel import in_threads


def test_order_is_kept_and_threads_work_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    together = threading.Barrier(4, timeout=30)  # breaks unless four are inside at a time

    def work(item: int) -> int:
        together.wait()
        time.sleep(0.01 * (4 - item % 4))
        return item * item

    assert list(in_threads(work, range(8), "test")) == [item * item for item in range(8)]


def test_the_first_failure_in_order_is_raised_and_the_rest_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 1})
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 2:
            time.sleep(0.2)
        if item in (2, 3):
            raise ValueError(f"item {item}")
        time.sleep(0.02 if item > 3 else 0)
        return item

    with pytest.raises(ValueError, match="item 2"):
        list(in_threads(work, range(500), "test"))
    assert len(begun) < 100


def test_a_bar_only_where_it_takes_long(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(in_threads(str, range(30), "quick")) == [str(i) for i in range(30)]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(parallel, "DELAY", 1e-9)
    list(in_threads(lambda _: time.sleep(0.02), range(10), "into a file"))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    list(in_threads(lambda _: time.sleep(0.02), range(10), "slow"))
    assert "slow" in capsys.readouterr().err
