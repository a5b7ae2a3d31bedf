"""An architecture that was found on one data set is trained on another of other classes and size, by ``--data.*``."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments.cli import main
from experiments.model_file import load_model
from experiments.prediction.trained_on import as_trained, completed
from nas_space.architecture import Architecture

SPACE = [
    "--space.stem",
    "4",
    "--space.widths",
    "8,12",
    "--space.depths",
    "[[1,2],[1,2]]",
    "--space.span",
    "4",
    "--space.step",
    "2",
]


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """Searched on street scenes of nine classes at 32x40."""
    data = ["--data.size", "32x40", "--data.limit", "4", "--data.batch", "2"]
    assert main(["search", *SPACE, *data, "--epochs", "1", "--device", "cpu", "--out", str(tmp_path / "search")]) == 0
    return tmp_path / "search" / "architecture.json"


def test_retrained_on_images_of_ones_own(
    found: Path, tmp_path: Path, write_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root, run = write_folder(tmp_path / "plants", train=4, val=2), tmp_path / "run"
    data = ["--data.name", "folder", "--data.root", str(root), "--data.size", "40x56", "--data.batch", "2"]
    assert main(["retrain", "--arch", str(found), *data, "--epochs", "1", "--device", "cpu", "--out", str(run)]) == 0
    summary = json.loads((run / "retrain.json").read_text())
    assert summary["dataset"] == "folder" and list(summary["per_class"]) == ["grass", "path", "pond", "hut"]
    assert Architecture.load(run / "architecture.json") == Architecture.load(found)
    network, info = load_model(run / "model.safetensors")
    assert network(torch.zeros(1, 3, 40, 56)).shape[1] == 4
    assert info.classes == ("grass", "path", "pond", "hut") and info.dataset == "folder"


def test_what_follows_a_training_finds_its_data_and_their_division(
    tmp_path: Path, write_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing but ``--checkpoint``: no image that was trained on may count as a validation image."""
    whole = write_folder(tmp_path / "whole", train=10, val=1)
    root = tmp_path / "plants"
    root.mkdir()
    for kind in ("images", "masks"):
        (whole / "train" / kind).rename(root / kind)
    (tmp_path / "plants.csv").write_text((whole / "classes.csv").read_text())
    data = [
        "--data.name",
        "folder",
        "--data.root",
        str(root),
        "--data.classes",
        str(tmp_path / "plants.csv"),
        "--data.val_fraction",
        "0.1",
    ]
    run, size = tmp_path / "run", ["--data.size", "40x56", "--data.batch", "2"]
    assert (
        main(["retrain", "--arch", "baseline1", *data, *size, "--epochs", "1", "--device", "cpu", "--out", str(run)])
        == 0
    )
    trained = json.loads((run / "retrain.json").read_text())
    capsys.readouterr()
    for checkpoint in (run, run / "best", run / "best" / "model.safetensors"):
        assert main(["evaluate", "--checkpoint", str(checkpoint), "--device", "cpu", "--json"]) == 0
        scores = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert scores["images"] == 1 and (
            checkpoint != run or scores["miou"] == pytest.approx(trained["miou"], abs=1e-6)
        )
    assert main(["evaluate", "--checkpoint", str(run), "--device", "cpu", "--data.val_fraction", "0.3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["images"] == 3
    for kind, precision, file in (("onnx", "int8", "model.onnx"), ("torchscript", "fp32", "model.pt")):
        arguments = ["--checkpoint", str(run / "best"), "--format", kind, "--precision", precision, "--most_lost", "1"]
        assert main(["export", *arguments, "--out", str(tmp_path / file)]) == 0
        assert "some of folder" in capsys.readouterr().out
    assert (
        main(
            ["figures", "--checkpoint", str(run), "--count", "1", "--device", "cpu", "--out", str(tmp_path / "figures")]
        )
        == 0
    )


def test_a_configuration_of_something_else_is_not_the_trainings(
    tmp_path: Path, checkpoint: Callable[..., Path]
) -> None:
    folder = checkpoint()
    info = load_model(folder)[1]
    (folder.parent / "config.yml").write_text("data: {name: folder, root: elsewhere, val_fraction: 0.5}\n")
    found = completed(str(folder), info, as_trained())
    assert (found.name, found.root, found.val_fraction) == ("streets", None, None)


def test_labels_are_read_as_the_training_read_them(tmp_path: Path, checkpoint: Callable[..., Path]) -> None:
    folder = checkpoint(dataset="folder")
    info = load_model(folder)[1]
    said = "{name: folder, root: there, format: voc, labels: palette, threshold: null, first_page: true}"
    (folder.parent / "config.yml").write_text(f"data: {said}\n")
    found = completed(str(folder), info, as_trained())
    assert (found.root, found.labels, found.threshold, found.first_page) == ("there", "palette", None, True)
    assert found.format == "voc"
    given = replace(as_trained(), labels="index")
    assert completed(str(folder), info, given).labels == "index"
