"""A training that is killed goes on to the same end, bit for bit on a CPU."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from experiments.cli import main
from experiments.training.monitor import RetrainMonitor
from nas_space.architecture import baseline2
from nas_space.config import SpaceConfig

pytestmark = pytest.mark.usefixtures("real_figures")
TINY = [
    "--data.size",
    "32x40",
    "--data.limit",
    "8",
    "--data.batch",
    "4",
    "--epochs",
    "3",
    "--device",
    "cpu",
    "--train.ema",
    "0.9",
]


def same(whole: Path, parts: Path) -> None:
    for file in ("model.safetensors", "best/model.safetensors", "architecture.json", "figures/training.png"):
        assert (whole / file).read_bytes() == (parts / file).read_bytes(), file
    metrics = [pd.read_csv(run / "metrics.csv").filter(regex="^(?!seconds)") for run in (whole, parts)]
    pd.testing.assert_frame_equal(*metrics)
    summaries = [json.loads((run / "retrain.json").read_text()) for run in (whole, parts)]
    for key in ("miou", "per_class", "loss", "best", "epochs", "recipe", "cost"):
        assert summaries[0][key] == summaries[1][key], key
    states = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (whole, parts)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, drawing: Callable[[], AbstractContextManager[None]]) -> Path:
    run = tmp_path_factory.mktemp("whole") / "run"
    with drawing():
        assert main(["retrain", "--arch", "baseline1", *TINY, "--out", str(run)]) == 0
    return run


@pytest.mark.parametrize("stop", [1, 3, 4], ids=("in the first stage", "between the stages", "in the second stage"))
def test_killed_at_the_start_of_an_epoch(
    stop: int, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = RetrainMonitor.on_train_epoch_start

    def die(self: RetrainMonitor, trainer: Any, module: Any) -> None:
        if self.stage.first + trainer.current_epoch == stop:
            raise RuntimeError("killed")
        start(self, trainer, module)

    run = tmp_path / "run"
    monkeypatch.setattr(RetrainMonitor, "on_train_epoch_start", die)
    assert main(["retrain", "--arch", "baseline1", *TINY, "--out", str(run)]) == 1
    assert not (run / "retrain.json").exists()
    monkeypatch.setattr(RetrainMonitor, "on_train_epoch_start", start)
    torch.manual_seed(99)
    assert main(["retrain", "--resume", str(run)]) == 0
    same(whole, run)


@pytest.mark.parametrize("network", ["erfnet", "three stages", "four stages"])
def test_other_networks_go_on_too(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: Callable[..., SpaceConfig]
) -> None:
    """ERFNet has dropout: what it draws depends on seed and epoch alone."""
    given = ["--peer", "erfnet"]
    if network != "erfnet":
        given = ["--arch", str(tmp_path / "network.json"), "--data.size", "64x72"]
        (tmp_path / "network.json").write_text(baseline2(deep(4 if network == "four stages" else 3)).to_json())
    arguments = ["retrain", *TINY, *given, "--epochs", "1"]
    assert main([*arguments, "--out", str(tmp_path / "whole")]) == 0
    start = RetrainMonitor.on_train_epoch_start

    def die(self: RetrainMonitor, trainer: Any, module: Any) -> None:
        if self.stage.first + trainer.current_epoch == 1:
            raise RuntimeError("killed")
        start(self, trainer, module)

    monkeypatch.setattr(RetrainMonitor, "on_train_epoch_start", die)
    assert main([*arguments, "--out", str(tmp_path / "parts")]) == 1
    assert not (tmp_path / "parts" / "retrain.json").exists()
    monkeypatch.setattr(RetrainMonitor, "on_train_epoch_start", start)
    assert main(["retrain", "--resume", str(tmp_path / "parts")]) == 0
    weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("whole", "parts")]
    assert weights[0] == weights[1]


# Runs the command until the first checkpoint has its name.
KILLER = """
import os, signal, sys
import torch
from experiments.cli import main

replace = os.replace

def replaced(source, target):
    replace(source, target)
    if str(target).endswith("last.ckpt"):
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = replaced
torch.set_num_threads(1)
sys.exit(main())
"""


def test_killed_by_the_system(tmp_path: Path, whole: Path) -> None:
    """SIGKILL as soon as there is a checkpoint; the run goes on from it."""
    run = tmp_path / "run"
    arguments = [sys.executable, "-c", KILLER, "retrain", "--arch", "baseline1", *TINY, "--out", str(run)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (run / "checkpoints" / "last.ckpt").is_file() and not (run / "retrain.json").exists()
    assert main(["retrain", "--resume", str(run)]) == 0
    same(whole, run)


def test_killed_before_its_network_was_kept(tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(whole / "config.yml", run)
    assert main(["retrain", "--resume", str(run)]) == 0
    same(whole, run)


def test_killed_before_the_summary(tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    for file in ("retrain.json", "model.safetensors"):
        (run / file).unlink()
    assert main(["retrain", "--resume", str(run)]) == 0
    same(whole, run)


def test_killed_before_the_first_checkpoint_with_its_architecture_gone(tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for file in ("config.yml", "network.json"):
        shutil.copy(whole / file, run)
    options = yaml.safe_load((run / "config.yml").read_text()) | {"arch": "gone.json"}
    (run / "config.yml").write_text(yaml.safe_dump(options))
    assert main(["retrain", "--resume", str(run)]) == 0
    same(whole, run)


def test_a_stage_that_had_ended_early_is_not_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import experiments.training.monitor as monitor

    real = monitor.evaluate

    def falling(*arguments: Any) -> Any:  # every validation is worse than the one before
        from dataclasses import replace

        falling.last -= 0.01  # type: ignore[attr-defined]
        return replace(real(*arguments), miou=falling.last)  # type: ignore[attr-defined]

    falling.last = 0.9  # type: ignore[attr-defined]
    monkeypatch.setattr(monitor, "evaluate", falling)
    start = RetrainMonitor.on_train_epoch_start

    def die(self: RetrainMonitor, trainer: Any, module: Any) -> None:
        if self.stage.name == "aggregation":
            raise RuntimeError("killed")
        start(self, trainer, module)

    run = tmp_path / "run"
    monkeypatch.setattr(RetrainMonitor, "on_train_epoch_start", die)
    arguments = ["--epochs", "5", "--train.patience", "1"]
    assert main(["retrain", "--arch", "baseline1", *TINY, *arguments, "--out", str(run)]) == 1
    monkeypatch.setattr(RetrainMonitor, "on_train_epoch_start", start)
    assert main(["retrain", "--resume", str(run)]) == 0
    stages = json.loads((run / "retrain.json").read_text())["stages"]
    assert [stage["epochs"] for stage in stages] == [2, 2]


@pytest.mark.parametrize("is_read_only", [False, True])
def test_a_complete_run_is_left_alone(
    is_read_only: bool, whole: Path, read_only: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.name != ".lock"}
    if is_read_only:
        read_only()
    assert main(["retrain", "--resume", str(whole)]) == 0
    assert "complete" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.name != ".lock"} == before


@pytest.mark.parametrize(
    ("file", "content"),
    [("model.safetensors", b"cut off"), ("model.safetensors", None), ("retrain.json", b"{")],
    ids=("network damaged", "network gone", "summary damaged"),
)
def test_a_complete_run_that_is_damaged_is_not_called_complete(
    file: str, content: bytes | None, tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / file).unlink()
    if content is not None:
        (run / file).write_bytes(content)
    assert main(["retrain", "--resume", str(run)]) == 2
    told = capsys.readouterr()
    assert "complete" not in told.out and f"{run / file}: " in told.err
    assert ("remove it" if file == "retrain.json" else f"remove {run / 'retrain.json'}") in told.err
    (run / "retrain.json").unlink()  # as it says
    assert main(["retrain", "--resume", str(run)]) == 0
    same(whole, run)


def test_a_run_of_another_command_is_named(tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--resume", str(whole)]) == 2
    assert f"go on with it by ssr-nas retrain --resume {whole}" in capsys.readouterr().err
    (tmp_path / "config.yml").write_text("strategy: ssr\nepochs: 4\n")
    assert main(["retrain", "--resume", str(tmp_path)]) == 2
    assert f"go on with it by ssr-nas search --resume {tmp_path}" in capsys.readouterr().err


def test_a_log_gets_a_line_an_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", "--arch", "baseline1", *TINY, "--epochs", "2", "--out", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines if ": epoch " in line] == [
        f"retrain ({stage}): epoch {epoch} of 2" for stage in ("encoder", "aggregation") for epoch in (1, 2)
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 5}, "config.yml: seed is not what"),
        ({"train": {"lr": 0.5}}, "config.yml: train is not what"),
        ({"arch": None, "peer": "erfnet"}, "the network is not what"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_changed_option_is_named(
    change: dict[str, Any], words: str, tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "retrain.json").unlink()
    options = yaml.safe_load((run / "config.yml").read_text())
    options["train"] |= change.pop("train", {})
    (run / "config.yml").write_text(yaml.safe_dump(options | change))
    assert main(["retrain", "--resume", str(run)]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert words in error[-1] and error[-1].startswith("ssr-nas retrain: error:")


def test_what_is_no_run_and_what_is_no_checkpoint(
    tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["retrain", "--resume", str(tmp_path)]) == 2
    assert "not a run" in capsys.readouterr().err
    assert main(["retrain", "--resume", str(whole), "--epochs", "9"]) == 2
    assert "leave out --epochs" in capsys.readouterr().err
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    for file in ("config.yml", "network.json"):
        shutil.copy(whole / file, run)
    (run / "checkpoints" / "last.ckpt").write_bytes((whole / "checkpoints" / "last.ckpt").read_bytes()[:5000])
    assert main(["retrain", "--resume", str(run)]) == 2
    assert "last.ckpt" in capsys.readouterr().err
