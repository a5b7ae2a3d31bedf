"""One process at a time in a run's folder, and none for ever."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.runs.folder import new_run
from experiments.runs.lock import LOCK, held, locked
from nas_space.errors import InputError

HOLD = """
import subprocess, sys, time
from pathlib import Path
from experiments.runs.lock import locked
with locked(Path(sys.argv[1])):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    print(child.pid, flush=True)
    time.sleep(3600)
"""


@pytest.fixture
def holder(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A process that holds ``tmp_path``, and its child, which must not."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        yield process
        process.kill()
    os.kill(child, signal.SIGKILL)


def test_a_second_process_is_told_who_works_here(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    with pytest.raises(InputError, match=rf"pid {holder.pid}\) is working in this run"), locked(tmp_path):
        pytest.fail("went in")


def test_a_killed_process_holds_nothing_though_its_child_lives(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    holder.kill()
    holder.wait()
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"


def test_waiting_ends_with_the_other_process(
    tmp_path: Path, holder: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other process is killed once this one waits; a file written before the kill is there when it goes in."""
    killed, flock = tmp_path / "killed", fcntl.flock
    with ExitStack() as killers:

        def waits(descriptor: int, operation: int) -> None:
            if not operation & fcntl.LOCK_NB:
                command = 'echo > "$0"; kill -9 "$1"'
                killers.enter_context(subprocess.Popen(["sh", "-c", command, str(killed), str(holder.pid)]))
            flock(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", waits)
        with locked(tmp_path, wait=True):
            assert killed.exists() and holder.wait(60) == -signal.SIGKILL
            monkeypatch.setattr(fcntl, "flock", flock)
            with pytest.raises(InputError, match=rf"pid {os.getpid()}\) is working in this run"), locked(tmp_path):
                pytest.fail("went in")
    assert f"waiting for process {holder.pid}" in capsys.readouterr().err


def test_commands_refuse_a_folder_that_is_worked_in(
    tmp_path: Path, holder: "subprocess.Popen[str]", capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ["--data.size", "32x32", "--data.limit", "4", "--data.batch", "2", "--epochs", "1"]
    assert main(["retrain", "--arch", "baseline1", *tiny, "--out", str(tmp_path)]) == 2
    (tmp_path / "config.yml").write_text("epochs: 1\n")
    assert main(["search", "--resume", str(tmp_path)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all(f"pid {holder.pid}" in error for error in errors)
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, "config.yml"]


def test_of_two_new_runs_at_the_same_moment_one_goes_on(tmp_path: Path) -> None:
    code = """
import sys
from experiments.runs.folder import new_run
from nas_space.errors import InputError
try:
    with new_run(sys.argv[1], "search", "") as folder:
        (folder / "config.yml").write_text(sys.argv[2])
        if sys.argv[3] == "stay":
            sys.stdin.read()
except InputError:
    sys.exit(2)
"""
    for hold in ("go", "stay"):  # the first may have ended before the second looks, or works on meanwhile
        command = [sys.executable, "-c", code, str(tmp_path / hold)]
        racers = [subprocess.Popen([*command, str(number), hold], stdin=subprocess.PIPE) for number in range(4)]
        deadline = time.monotonic() + 120
        while hold == "stay" and sum(racer.poll() is not None for racer in racers) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for racer in racers:
            racer.communicate()
        assert sorted(racer.returncode for racer in racers) == [0, 2, 2, 2]


def test_what_a_kill_leaves_before_a_run_has_begun_is_no_run(tmp_path: Path) -> None:
    for name in (LOCK, ".config.yml.0123.tmp"):
        (tmp_path / name).write_text("")
    with new_run(str(tmp_path), "search", "") as folder:
        assert folder == tmp_path
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match="holds files already"), new_run(str(tmp_path), "search", ""):
        pytest.fail("went in")


def test_a_full_disk_is_left_to_the_first_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock has no name that a user knows; its content is only for a message."""

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "pwrite", refuse)
    with locked(tmp_path):
        pass


def test_a_folder_where_no_lock_can_be_made_is_told_by_the_file(tmp_path: Path, read_only: Callable[[], None]) -> None:
    read_only()
    with pytest.raises(OSError) as error, held(tmp_path / "m.onnx", "m.onnx"):
        pytest.fail("went in")
    assert error.value.errno == errno.EROFS and error.value.filename == str(tmp_path / "m.onnx")
