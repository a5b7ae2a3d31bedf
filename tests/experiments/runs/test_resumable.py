"""Whoever interrupts a run is told the command that goes on with it, however the interrupt arrives."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytorch_lightning.utilities.exceptions import SIGTERMException

from experiments.nni_manager import stop
from experiments.runs.failures import guarded
from experiments.runs.folder import new_run, old_run
from experiments.runs.processes import Terminated


def interrupt() -> int:
    raise KeyboardInterrupt


def interrupt_as_lightning_does() -> int:
    try:
        interrupt()
    except KeyboardInterrupt:
        raise SystemExit(1) from None
    return 0


def terminate() -> int:
    raise Terminated


def terminate_as_lightning_does() -> int:
    raise SIGTERMException


WAYS = [
    (interrupt, 130, "interrupted"),
    (interrupt_as_lightning_does, 130, "interrupted"),
    (terminate, 143, "terminated"),
    (terminate_as_lightning_does, 143, "terminated"),
]


@pytest.mark.parametrize(("way", "code", "word"), WAYS)
@pytest.mark.parametrize("command", ["search", "retrain", "fit"])
def test_an_interrupt_names_the_command_that_goes_on(way, code, word, command, tmp_path: Path, capsys) -> None:
    out = tmp_path / "a run"

    def begin() -> int:
        with new_run(str(out), command, command):
            return way()

    def resume() -> int:
        with old_run(out, command, is_complete=False):
            return way()

    for run in (begin, resume):
        assert guarded(f"ssr-nas {command}", "give the command again", run) == code
        line = f"ssr-nas {command}: {word}; go on with: ssr-nas {command} --resume '{out}'\n"
        assert capsys.readouterr().err == line


def test_a_way_that_is_known_already_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        with new_run(str(tmp_path / "run"), "search", "search"):
            raise KeyboardInterrupt("go on with: another command")

    assert guarded("ssr-nas search", "give the command again", run) == 130
    assert capsys.readouterr().err == "ssr-nas search: interrupted; go on with: another command\n"


@pytest.mark.parametrize(("command", "can_resume"), [("predict", True), ("search", False)])
def test_a_run_that_is_not_resumed_keeps_the_hint(command: str, can_resume: bool, tmp_path: Path, capsys) -> None:
    def run() -> int:
        with new_run(str(tmp_path / "run"), command, command, can_resume):
            return interrupt()

    assert guarded(f"ssr-nas {command}", "give the command again", run) == 130
    assert capsys.readouterr().err == f"ssr-nas {command}: interrupted; give the command again\n"


@pytest.mark.parametrize("has_started", [True, False])
def test_a_manager_that_is_stopped_keeps_the_command(
    has_started: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process = SimpleNamespace(wait=lambda seconds: None)
    monkeypatch.setattr(stop, "manager_process", lambda experiment: process if has_started else None)
    rest: Any = SimpleNamespace(stop=lambda: None)

    def run() -> int:
        with stop.stopping(None, rest, "of the manager"), new_run(str(tmp_path / "run"), "fit", "fit"):
            return interrupt()

    def alone() -> int:
        with stop.stopping(None, rest, "of the manager"):
            return interrupt()

    assert guarded("ssr-nas fit", "give the command again", run) == 130
    assert capsys.readouterr().err.endswith(f"; go on with: ssr-nas fit --resume {tmp_path / 'run'}\n")
    assert guarded("ssr-nas launch", "give the command again", alone) == 130
    assert ("of the manager" in capsys.readouterr().err) == has_started
