"""Retraining on tiny data: files, weights that load, determinism, learning, and one-line errors."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from experiments.cli import main
from experiments.config import DataOptions
from experiments.data import load
from experiments.data.frequency import class_weights
from experiments.data.streams import val_stream
from experiments.data.transforms import downsample_labels
from experiments.training.evaluation import evaluate
from nas_space.architecture import Architecture
from nas_space.network import SegmentationNetwork

TINY = ["--data.size", "32x40", "--data.limit", "16", "--data.batch", "4", "--device", "cpu"]


def retrain(out: Path, *arguments: str) -> dict[str, Any]:
    """Run the command and read its summary."""
    assert main(["retrain", "--arch", "baseline1", *TINY, "--epochs", "4", *arguments, "--out", str(out)]) == 0
    return json.loads((out / "retrain.json").read_text())


def test_saved_weights_give_the_stated_score(tmp_path: Path) -> None:
    summary = retrain(tmp_path / "run")
    data = load(DataOptions(size="32x40", limit=16, batch=4))
    network = SegmentationNetwork(Architecture.load(tmp_path / "run" / "architecture.json"), len(data.classes))
    network.load_state_dict(load_file(tmp_path / "run" / "model.safetensors"))
    loss = torch.nn.CrossEntropyLoss(class_weights(downsample_labels(data.train.labels), len(data.classes)), ignore_index=255)
    scores = evaluate(network, val_stream(data.val, 4, label_stride=1), loss, len(data.classes))
    assert scores.miou == pytest.approx(summary["miou"], abs=1e-6)
    assert summary["resolution"] == "32x40" and set(summary["per_class"]) == set(data.classes)
    losses = pd.read_csv(tmp_path / "run" / "metrics.csv")["loss_w"]
    assert losses.iloc[-1] < losses.iloc[0]


def test_same_seed_same_weights(tmp_path: Path) -> None:
    first, second, other = (retrain(tmp_path / name, "--seed", seed) for name, seed in (("a", "0"), ("b", "0"), ("c", "1")))
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
    assert first["miou"] == second["miou"] and first["loss"] != other["loss"]


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--arch", "nowhere.json"], "nowhere.json"),
        (["--arch", "baseline1", "--epochs", "0"], "epochs"),
        (["--arch", "baseline1", "--data.size", "16x16"], "16x16"),
        (["--arch", "baseline1", "--data.name", "mars"], "mars"),
        (["--arch", "baseline1", "--data.name", "camvid", "--data.root", "/nowhere"], "/nowhere"),
        (["--arch", "baseline1", "--train.lr", "0"], "train.lr"),
        (["--arch", "baseline1", "--device", "tpu"], "tpu"),
        (["--arch", "baseline1", "--precision", "16"], "precision"),
        (["--arch", "baseline1", "--data.batch", "1"], "data.batch"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], culprit: str
) -> None:
    assert main(["retrain", *arguments, "--out", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and culprit in lines[0]
    assert not (tmp_path / "run").exists()


def test_a_width_that_is_no_multiple_of_the_step_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    retrain(tmp_path / "run", "--epochs", "1")
    broken = tmp_path / "broken.json"
    broken.write_text((tmp_path / "run" / "architecture.json").read_text().replace('"width_3x1": 64', '"width_3x1": 61', 1))
    capsys.readouterr()
    assert main(["retrain", "--arch", str(broken), *TINY, "--out", str(tmp_path / "other")]) == 2
    error = capsys.readouterr().err
    assert "broken.json" in error and "width_3x1 is 61" in error and "multiple of 4" in error
    assert not (tmp_path / "other").exists()
