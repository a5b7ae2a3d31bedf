"""Child processes are those of this toolkit, also from a folder with an ``experiments`` of the user's own."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from experiments.benchmark.networks.workers import Task, Worker
from experiments.benchmark.search.child import Child, Problem
from experiments.runs.child_runs import ChildRun, run_children
from experiments.runs.processes import ROOT, Terminated, free_cores, module_command, terminable, termination_handled
from experiments.training.lightning import command_line
from nas_space.config import SpaceConfig
from nas_space.errors import InputError


@pytest.fixture(params=["package", "folder"])
def users_own(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of a user whose modules have our names; the toolkit is found as an editable installation."""
    for name in ("experiments", "nas_space", "strategies"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ("__init__.py" if request.param == "package" else "train.py")).write_text(
            "raise SystemExit('not ours')\n"
        )
    (tmp_path / "runpy.py").write_text("raise SystemExit('not ours')\n")
    (tmp_path / "mine.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


ONCE = pytest.mark.parametrize("users_own", ["package"], indirect=True)
"""For what loads torch: the start is that of the others, which are tried in both kinds of folders."""


def test_a_job(users_own: Path) -> None:
    assert "error: nothing: unknown command" in str(
        run_children([ChildRun(("nothing",), users_own / "a" / "proof")], 1, "test")
    )


@ONCE
def test_a_strategy_of_the_users_is_found_in_the_current_folder(users_own: Path) -> None:
    child = ChildRun(("search", "--strategy", "mine:Mine"), users_own / "a" / "proof")
    assert "the module 'mine' has no 'Mine'" in str(run_children([child], 1, "test"))


@ONCE
def test_a_side_of_the_benchmark(users_own: Path) -> None:
    with Child("ours", Problem(SpaceConfig.compact(), (32, 32), 2, 3, "32", "cpu", 0), "contiguous") as child:
        assert child.threads == 1


def test_a_network_that_is_timed(users_own: Path) -> None:
    (users_own / "broken.onnx").write_bytes(b"nonsense")
    task = Task("net", "onnxruntime", str(users_own / "broken.onnx"), (1, 3, 32, 64), 1, "cpu", 1)
    with pytest.raises(InputError, match=r"net: onnxruntime cannot run it: .*broken\.onnx"):
        Worker(task)


def test_a_follower_is_started_as_its_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(sys, "argv", ["/somewhere/cli.py", "search", "--devices", "2"])
    monkeypatch.setattr(main, "__spec__", ModuleSpec("experiments.cli", None))
    assert command_line() == module_command("experiments.cli", "search", "--devices", "2")
    monkeypatch.setattr(main, "__spec__", ModuleSpec("theirs.cli", None))
    assert command_line() == [sys.executable, "-m", "theirs.cli", "search", "--devices", "2"]
    monkeypatch.setattr(main, "__spec__", None)
    assert command_line() == [sys.executable, "/somewhere/cli.py", "search", "--devices", "2"]


@pytest.mark.parametrize("safe", [False, True])
def test_a_module_sees_what_python_m_shows_it_but_for_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, safe: bool
) -> None:
    """``PYTHONSAFEPATH``, from Python 3.11 on, leaves the current folder out by itself."""
    shown = "sys.path, sys.argv[1:], __name__, __spec__.name, sys.modules['__main__'].__dict__ is globals()"
    (tmp_path / "shown.py").write_text(f"import sys\nprint({shown})")
    monkeypatch.chdir("/")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    if safe:
        monkeypatch.setenv("PYTHONSAFEPATH", "1")
    command = module_command("shown", "-a", "b c")
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    paths, rest = out.split("] ", 1)
    assert rest.strip() == "['-a', 'b c'] __main__ shown True"
    assert (
        eval(paths + "]")[:2] == [ROOT, str(tmp_path)] and "" not in eval(paths + "]") and "/" not in eval(paths + "]")
    )


def test_cores_are_those_of_the_process():
    cores = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, cores[:1])
        assert free_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)


def deliver(number: int) -> None:
    """Call what a signal calls. A real one that no handler catches would end the process that runs the tests."""
    handler = signal.getsignal(number)
    if handler != signal.SIG_IGN:
        assert callable(handler), (handler, threading.current_thread())
        handler(number, None)


def test_a_termination_is_an_interrupt_inside_and_what_it_was_after():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminable():
        deliver(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_closed_terminal_is_an_interrupt_but_not_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        with pytest.raises(KeyboardInterrupt), terminable():
            deliver(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with terminable():
            deliver(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_trainer_that_listens_beside_is_left_to_end_by_itself():
    with termination_handled():
        ours, heard = signal.getsignal(signal.SIGTERM), []
        signal.signal(signal.SIGTERM, lambda *both: (heard.append(both[0]), ours(*both)))
        deliver(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
        signal.signal(signal.SIGTERM, ours)
        with pytest.raises(Terminated):
            deliver(signal.SIGTERM)


def test_another_thread_than_the_main_one_leaves_the_signal_alone():
    def handler() -> object:
        with terminable():
            return signal.getsignal(signal.SIGTERM)

    with ThreadPoolExecutor() as pool:
        assert pool.submit(handler).result() == signal.getsignal(signal.SIGTERM)
