"""Curves go to the logger that is asked for, without a network; what fails costs the curves alone."""

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main
from experiments.options.loggers import LOGGERS, check_logger
from experiments.training.logger import FILE, PRIVATE, Curves, private_environment
from nas_space.errors import InputError

TINY = ["--data.size", "32x40", "--data.limit", "4", "--data.batch", "4", "--device", "cpu", "--epochs", "1"]
TINY += ["--arch", "baseline1", "--stages", "encoder"]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loggers set variables, and a user's own must not decide a test."""
    for name in (*PRIVATE, "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)


def has(run: Path, kind: str, miou: float, epoch: int) -> bool:
    """Whether the logger's own files hold a score."""
    if kind == "mlflow":
        with sqlite3.connect(run / "mlflow.db") as base:
            return base.execute("select value from metrics where key = 'miou' and step = ?", (epoch,)).fetchall() == [
                (pytest.approx(miou),)
            ]
    # Records of protocol buffers, whose form is wandb's own; keys and values are text in them.
    files = [file.read_bytes() for file in sorted(run.glob("wandb/offline-run-*/*.wandb"))]
    return any(b"miou" in content and json.dumps(miou).encode() in content for content in files)


def names(run: Path, kind: str) -> set[str]:
    """Names under which the logger's files hold the run."""
    if kind == "mlflow":
        with sqlite3.connect(run / "mlflow.db") as base:
            return {name for (name,) in base.execute("select run_uuid from runs")}
    return {file.stem.removeprefix("run-") for file in run.glob("wandb/offline-run-*/*.wandb")}


@pytest.mark.parametrize("kind", ["wandb", "mlflow"])
@pytest.mark.filterwarnings("ignore")  # of the loggers' own packages
def test_a_logger_without_a_network(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(kind, reason=f"the extra {kind} is not installed")
    run = tmp_path / "run"
    assert main(["retrain", *TINY, "--logger", kind, "--out", str(run)]) == 0
    told = capsys.readouterr()
    assert "could not be written" not in told.err and "wandb" not in told.out + told.err.replace(str(run), "")
    assert not (run / "tensorboard").exists()
    assert not has(run, kind, 0.4375, 2)
    # Resumed, or in its next stage: the same run, and its numbers go on.
    time.sleep(1.1)  # wandb names its folders by the second
    curves = Curves(run, kind)
    curves.log_metrics({"miou": 0.4375}, 2)
    curves.finalize("success")
    deadline = time.monotonic() + 60  # wandb's service writes after the run has ended
    first = json.loads((run / "retrain.json").read_text())["miou"]
    while not (has(run, kind, first, 1) and has(run, kind, 0.4375, 2)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert names(run, kind) == {json.loads((run / FILE).read_text())["id"]}
    assert {name: os.environ[name] for name in PRIVATE} == PRIVATE


def test_what_fails_is_told_once_and_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        def log_metrics(self, *arguments: Any) -> None:
            raise OSError("no space left on device")

    curves = Curves(tmp_path)
    monkeypatch.setattr(curves, "_tensorboard", Broken)
    curves.log_metrics({"miou": 0.5}, 1)
    curves.log_metrics({"miou": 0.5}, 2)
    curves.save()
    curves.finalize("success")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "no space left" in lines[0] and "the results are not affected" in lines[0]


def test_what_the_user_has_set_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "true")
    assert private_environment() == {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_MODE": "offline"}


def test_unknown_or_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["search"], ["retrain", "--arch", "baseline1"]):
        assert main([*command, "--logger", "excel"]) == 2
        assert "logger: unknown 'excel'; choose from tensorboard, wandb, mlflow" in capsys.readouterr().err
    monkeypatch.setitem(LOGGERS, "mlflow", "no_such_package")
    with pytest.raises(InputError, match=r"no_such_package is not installed; pip install 'ssr-nas\[mlflow\]'"):
        check_logger("mlflow")
