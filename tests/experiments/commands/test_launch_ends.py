"""How a launch ends, told from the answers of a manager that is not there."""

import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from experiments.cli import main
from experiments.nni_manager.records import Record, Trial
from nas_space.architecture import baseline1
from nas_space.config import SpaceConfig

OURS = {
    "default": 0.5,
    "macs": 30e6,
    "miou_supernet": 0.4,
    "discrete": 1,
    "seconds": 3.0,
    "data": " --data.name camvid",
}
OURS["architecture"] = json.dumps(json.loads(baseline1(SpaceConfig.compact()).to_json()))
GOOD = Trial("good1", 0, "SUCCEEDED", {"seed": 0}, OURS)
PLAIN = Trial("plain", 1, "SUCCEEDED", {"seed": 1}, {"default": 0.25})
"""Of another program."""


class Process:
    """A manager's process."""

    killed = False

    def poll(self) -> int | None:
        return None

    def wait(self, timeout: float) -> int:
        return 0

    def kill(self) -> None:
        self.killed = True


class Manager:
    """A manager's answers."""

    url = "http://127.0.0.1:1"
    ended: Any = "DONE"
    stopped = 0

    def __init__(self, port: int) -> None:
        pass

    def status(self) -> str:
        return str(self.ended)

    def errors(self) -> list[str]:
        return ["Dispatcher stream error, tuner may have crashed."]

    def get(self, path: str) -> list[Any]:
        return []

    def stop(self) -> None:
        type(self).stopped += 1


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``experiment.trials`` is what it has recorded, ``experiment.start`` is called where the manager starts."""
    monkeypatch.chdir(tmp_path)
    config = SimpleNamespace(training_service=SimpleNamespace(platform="local"), experiment_working_directory="home")
    config.canonical_copy = lambda: config
    made = SimpleNamespace(id="aBc12", config=config, _proc=None, trials=(GOOD, PLAIN), start=lambda: None)

    def start(*_: Any) -> None:
        made.start()
        made._proc = Process()

    made.rest = type("Fresh", (Manager,), {})
    name = "experiments.commands.launch"
    monkeypatch.setattr(f"{name}._prepare", lambda options: (made, None))
    monkeypatch.setattr(f"{name}.machines", lambda config: [])
    monkeypatch.setattr(f"{name}.check_ports", lambda *_: None)
    monkeypatch.setattr(f"{name}.start_manager", start)
    monkeypatch.setattr(f"{name}.Rest", made.rest)
    monkeypatch.setattr(f"{name}.read_record", lambda experiment: Record("camvid/96x128", made.trials))
    return made


def test_an_experiment_that_is_done(experiment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is no file's name, and one trial is of another program."""
    assert main(["launch", "x.yml", "--json"]) == 0
    out = capsys.readouterr().out
    told = json.loads(out.splitlines()[-1])
    assert told["trials"] == {"SUCCEEDED": 2} and told["best"]["trial"] == "good1" and experiment.rest.stopped == 1
    file = Path(told["best"]["file"])
    assert file.is_file() and file.parent.parent == Path("runs") and file.parent.name.startswith("camvid-96x128-")
    assert (
        f"ssr-nas retrain --arch {file} --data.name camvid\n" in out
    )  # on what it was searched on, not on the default
    assert "(trial good1: the highest mIoU, 50.0 %)" in out
    (row,) = (line for line in out.splitlines() if "plain" in line)
    assert row.split() == ["plain", "SUCCEEDED", "1", "25.0"]


def test_the_best_network_names_the_resolution_of_its_score(
    experiment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {"resolution": "12x16", "miou_full": 0.404, "resolution_full": "96x128"}
    experiment.trials = (Trial("good1", 0, "SUCCEEDED", {"seed": 0}, OURS | scores),)
    assert main(["launch", "x.yml"]) == 0
    expected = "(trial good1: the highest mIoU with labels at 12x16, 50.0 %; 40.4 % at 96x128)"
    assert expected in capsys.readouterr().out


def test_a_crash_of_the_tuner_is_a_failure_and_what_there_is_is_exported(
    experiment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment.rest.ended = "ERROR"
    assert main(["launch", "x.yml", "--keep", "true"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    for part in ("aBc12", "ERROR", "tuner may have crashed", "home/aBc12/log", "ssr-nas launch --resume aBc12"):
        assert part in last
    assert len(list(Path("runs").glob("*/architecture.json"))) == 1 and experiment.rest.stopped == 1


def test_a_crash_before_there_is_a_network(
    experiment: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def errors(rest: Manager) -> list[str]:
        raise requests.ConnectionError

    experiment.rest.ended, experiment.trials = "ERROR", (PLAIN,)
    monkeypatch.setattr(experiment.rest, "errors", errors)
    assert main(["launch", "x.yml"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "does not answer" in last and "ssr-nas launch --resume aBc12" in last and not Path("runs").exists()


@pytest.mark.parametrize("status", ["STOPPING", "STOPPED"])
def test_an_experiment_that_is_stopped_from_elsewhere(
    experiment: Any, status: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manager, which answers no more, ends its trials in peace: it is not killed."""

    def gone(rest: Manager) -> None:
        raise requests.ConnectionError

    experiment.rest.ended = status
    monkeypatch.setattr(experiment.rest, "stop", gone)
    assert main(["launch", "x.yml"]) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert "stopped from elsewhere" in line and "ssr-nas launch --resume aBc12" in line
    assert "good1" in captured.out and len(list(Path("runs").glob("*/architecture.json"))) == 1
    assert not experiment._proc.killed


@pytest.mark.parametrize(("code", "words"), [(0, "stopped from elsewhere"), (-9, "NNI's manager has ended; its log")])
def test_a_manager_that_ends_between_two_looks(
    experiment: Any, code: int, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(rest: Manager) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr(experiment.rest, "status", gone)
    monkeypatch.setattr(Process, "poll", lambda process: code)
    assert main(["launch", "x.yml"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line and "ssr-nas launch --resume aBc12" in line


def test_a_closed_terminal_stops_the_manager(experiment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang_up(rest: Any) -> None:  # by the handler itself, as below
        handler = signal.getsignal(signal.SIGHUP)
        assert callable(handler)
        handler(signal.SIGHUP, None)

    monkeypatch.setattr(experiment.rest, "status", hang_up)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        assert main(["launch", "x.yml"]) == 130 and experiment.rest.stopped == 1
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_trial_of_ours(experiment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    experiment.trials = (PLAIN,)
    assert main(["launch", "x.yml"]) == 1
    assert "no trial has left a network" in capsys.readouterr().err.splitlines()[-1] and not Path("runs").exists()


def test_terminated_while_the_manager_starts(experiment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def terminate() -> None:  # by the handler itself: a real signal would end the worker where there is none
        handler = signal.getsignal(signal.SIGTERM)
        assert callable(handler)
        handler(signal.SIGTERM, None)

    experiment.start = terminate
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert main(["launch", "x.yml"]) == 130
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (
        capsys.readouterr().err.splitlines()[-1]
        == "ssr-nas launch: interrupted; nothing has begun yet; give the same command again"
    )
    assert experiment.rest.stopped == 0


def test_a_second_interrupt_leaves_no_manager(
    experiment: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(rest: Manager) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment.rest, "status", interrupted)
    monkeypatch.setattr(experiment.rest, "stop", interrupted)
    assert main(["launch", "x.yml"]) == 130
    assert experiment._proc.killed
    assert "ssr-nas launch --resume aBc12" in capsys.readouterr().err.splitlines()[-1]
