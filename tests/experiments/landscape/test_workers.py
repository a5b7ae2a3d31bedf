"""Processes that train: what they answer, what is told of one that fails or dies, and that none outlives the first."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from experiments.landscape import worker, workers
from experiments.landscape.plan import Planned
from experiments.landscape.setup import TrainingSetup
from experiments.landscape.table import Trained
from experiments.landscape.workers import train_all
from experiments.runs import json_process
from experiments.runs.processes import module_command
from experiments.training.recipe import RetrainOptions
from nas_space.architecture import baseline1
from nas_space.config import SpaceConfig

SETUP = TrainingSetup(RetrainOptions())
FAKE = """
import json, os, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    seed = json.loads(line)["seed"]
    if seed == 7:
        print("out of luck", file=sys.stderr, flush=True)
        os._exit(1)
    if seed == 8:
        os.kill(os.getpid(), 9)
    if seed == 9:
        time.sleep(60)
    result = {"miou": seed / 100, "macs": 1.0, "params": os.getpid(), "minutes": 0.1}
    print(json.dumps({"error": "the loss became nan"} if seed == 6 else result), flush=True)
"""


def planned(*seeds: int) -> list[Planned]:
    network = baseline1(SpaceConfig.compact(("dilation",)))
    return [Planned("baseline1", network, seed) for seed in seeds]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``fake(code)``: what a process runs in place of a training."""

    def use(code: str) -> None:
        monkeypatch.setattr(json_process, "module_command", lambda *_: [sys.executable, "-S", "-E", "-c", code])

    return use


def test_a_failure_is_told_and_the_others_go_on(fake: Callable[[str], None]) -> None:
    fake(FAKE)
    ended: dict[int, Any] = {}
    train_all(planned(1, 6, 2, 7, 8, 3), SETUP, 1, 1, lambda one, result: ended.update({one.seed: result}))
    assert list(ended) == [1, 6, 2, 7, 8, 3]
    assert ended[6] == "the loss became nan" and ended[7] == "out of luck"
    assert ended[8] == "its process ended with code -9"
    rows = [row for row in ended.values() if isinstance(row, Trained)]
    assert [row.miou for row in rows] == [0.01, 0.02, 0.03]
    assert rows[0].params == rows[1].params != rows[2].params  # one process does several; a new one follows a dead one


def test_several_at_a_time(fake: Callable[[str], None]) -> None:
    fake(FAKE.replace("result =", "time.sleep(0.05); result ="))
    processes: set[int] = set()
    train_all(planned(*range(6)), SETUP, 3, 1, lambda one, row: processes.add(getattr(row, "params", 0)))
    assert len(processes - {0}) > 1
    train_all([], SETUP, 3, 1, lambda one, row: pytest.fail("nothing was to be trained"))


def test_a_process_that_cannot_start_ends_all(fake: Callable[[str], None]) -> None:
    fake("import sys; sys.exit('no memory')")
    with pytest.raises(RuntimeError, match="a training process ended at its start: no memory"):
        train_all(planned(1, 2), SETUP, 2, 1, lambda one, row: pytest.fail("nothing was trained"))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[str]]:
    """The processes that are started from now on."""
    processes: list[subprocess.Popen[str]] = []
    begin = workers.Worker.__init__

    def watched(self: workers.Worker, *arguments: Any) -> None:
        begin(self, *arguments)
        processes.append(self.running.process)

    monkeypatch.setattr(workers.Worker, "__init__", watched)
    return processes


def test_all_processes_end_with_the_first(fake: Callable[[str], None], started: list[subprocess.Popen[str]]) -> None:
    fake(FAKE)

    def on_end(one: Planned, row: Trained | str) -> None:
        raise OSError("disk full")

    start = time.monotonic()
    with pytest.raises(OSError, match="disk full"):
        train_all(planned(1, 9, 9), SETUP, 2, 1, on_end)
    assert started and all(process.poll() is not None for process in started)
    assert time.monotonic() - start < 30  # nobody has waited for the training of a minute


def test_all_processes_end_with_an_interrupt(
    fake: Callable[[str], None], started: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl+C reaches the main thread while it waits. A real signal would end this test run where it comes late."""
    fake(FAKE)
    ended = threading.Event()

    def interrupted(futures: Any, return_when: str) -> Any:
        assert ended.wait(30)
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_all(planned(1, 9, 9), SETUP, 2, 1, lambda one, row: ended.set())
    assert len(started) == 2 and all(process.poll() is not None for process in started)


def test_a_worker_ends_when_nobody_waits_for_it() -> None:
    code = f"import time; from {worker.__name__} import listen; listen(); print('ready', flush=True); time.sleep(60)"
    root = module_command("")[3]
    environment = {**os.environ, "PYTHONPATH": root}
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdin is not None and process.stdout is not None and process.stdout.readline() == "ready\n"
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    process.stdout.close()
