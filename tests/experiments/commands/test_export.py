"""``ssr-nas export``: from a trained network to a file that an application runs."""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments import Segmenter
from experiments.benchmark.lowering import Timing
from experiments.cli import main
from experiments.data import DataOptions, load
from experiments.export.formats import FORMATS
from experiments.model_file import ModelInfo, save_model
from experiments.runtime.session import open_session
from nas_space.architecture import Architecture
from nas_space.config import Head
from nas_space.lowering import lower
from nas_space.network import SegmentationNetwork

SUFFIX = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}


@pytest.fixture
def checkpoint(tmp_path: Path, tiny: Callable[..., Any], deep: Callable[..., Any]) -> Callable[..., Path]:
    """``checkpoint(head, dataset, stages)``: the folder of a network of random weights."""

    def make(head: Head = "encoder", dataset: str = "streets", stages: int = 2) -> Path:
        folder, size = tmp_path / "trained", (64, 72) if stages == 4 else (40, 48)
        folder.mkdir()
        classes, colours = _classes()
        space = tiny() if stages == 2 else deep(stages)
        info = ModelInfo(Architecture.random(space, random.Random(1)), head, classes, colours, size, dataset)
        network = SegmentationNetwork(info.architecture, len(classes), head)
        with torch.no_grad():
            network.train()(torch.empty(8, 3, *size).uniform_(-2, 2))
        save_model(folder, network, info)
        return folder

    return make


def _classes() -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    data = load(DataOptions(size="40x48", limit=1))
    return data.classes, data.colours


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, dict[str, Any]]:
    assert main(["export", *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert not [
        line for line in captured.err.splitlines() if "No CUDA runtime" not in line
    ]  # nncf's import of torch's compiler
    *text, last = captured.out.splitlines()
    return "\n".join(text), json.loads(last)


def refusal(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    assert main(["export", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err.removeprefix("ssr-nas export: error: ").rstrip()


@pytest.mark.parametrize(
    ("kind", "stages"), [("onnx", 2), ("onnx", 4), ("openvino", 2), ("openvino", 3), ("torchscript", 2)]
)
def test_a_file_that_an_application_runs(
    kind: str, stages: int, checkpoint: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, trained = tmp_path / f"model{SUFFIX[kind]}", str(checkpoint("aggregation", stages=stages))
    precision = "32" if stages == 4 else "fp32"  # as it was called in earlier versions
    arguments = ["--checkpoint", trained, "--format", kind, "--out", str(out), "--dynamic", "true"]
    text, result = answer(capsys, *arguments, "--precision", precision)
    assert {
        "file",
        "max_logit_difference",
        "equal_pixels",
        "images",
        "lowering",
        "precision",
        "size",
        "dynamic",
        "bytes",
    } <= set(result)
    assert result["file"] == str(out) and 0 < result["max_logit_difference"] <= 1e-3 and result["equal_pixels"] >= 0.999
    assert result["images"] == 9 and result["lowering"] == FORMATS[kind].fastest and result["dynamic"] is True
    assert result["precision"] == "fp32" and "precision fp32" in text
    for part in ("9 images", "streets", "any size", FORMATS[kind].fastest, str(out)):
        assert part in text
    if kind != "torchscript":
        segmenter = Segmenter(out)
        assert segmenter.description.classes == _classes()[0] and segmenter.description.head == "aggregation"
        assert segmenter.description.precision == "fp32"
        assert segmenter(np.zeros((33, 91, 3), np.uint8)).classes.shape == (33, 91)
    message = refusal(capsys, 2, "--checkpoint", str(tmp_path / "trained"), "--format", kind, "--out", str(out))
    assert message == f"--out {out}: {out} is there already; choose another --out, or remove it"


@pytest.mark.parametrize("key", ["size", "data.size"])
def test_images_that_are_too_small_for_the_stages(
    key: str, checkpoint: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained, out = str(checkpoint("fusion", stages=4)), str(tmp_path / "model.onnx")
    given = ["--checkpoint", trained, "--format", "onnx", "--out", out, "--dynamic", "true", f"--{key}", "48x64"]
    assert refusal(capsys, 2, *given) == f"{key}: 48x64: both sides must be at least 64 pixels for 4 stages"


@pytest.mark.parametrize(("kind", "head", "stages"), [("onnx", "fusion", 3), ("openvino", "encoder", 2)])
def test_eight_bits(
    kind: str,
    head: Head,
    stages: int,
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / f"model{SUFFIX[kind]}"
    arguments = [
        "--checkpoint",
        str(checkpoint(head, stages=stages)),
        "--format",
        kind,
        "--out",
        str(out),
        "--pixels",
        "true",
        "--data.limit",
        "6",
    ]
    text, result = answer(capsys, *arguments, "--precision", "int8", "--most_lost", "1")
    assert 0 <= result["miou"] <= 1 and 0 < result["miou_before"] <= 1 and result["precision"] == "int8"
    assert "is judged by this alone: it may lose 100 points" in text
    assert f"{100 * result['miou_before']:.1f} % in float32, {100 * result['miou']:.1f} % in 8 bits" in text
    assert open_session(out).description.precision == "int8"


def test_the_fastest_form_is_measured(
    checkpoint: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    timing = Timing({"pad": 3.0, "concat": 1.0, "zeros": 2.0}, {"pad": 1.0, "concat": 0.3, "zeros": 0.7})
    monkeypatch.setattr("experiments.benchmark.lowering.time_lowerings", lambda network, kind, size, rounds: timing)
    out = tmp_path / "model.onnx"
    _, result = answer(
        capsys, "--checkpoint", str(checkpoint()), "--format", "onnx", "--out", str(out), "--lowering", "fastest"
    )
    assert result["lowering"] == "concat" == open_session(out).description.lowering


def test_a_lie_is_exit_code_1(
    checkpoint: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(network: torch.nn.Module, lowering: Any, pairs: bool = False) -> torch.nn.Module:
        lowered: Any = lower(network, lowering, pairs)
        lowered.head.bias[0] += 0.01
        return lowered

    monkeypatch.setattr("nas_space.lowering.lower", wrong)
    out = tmp_path / "model.onnx"
    message = refusal(capsys, 1, "--checkpoint", str(checkpoint()), "--format", "onnx", "--out", str(out))
    assert (
        "does not give the network's answer: logits differ by up to 0.01" in message and "no file was kept" in message
    )
    assert [path.name for path in tmp_path.iterdir()] == ["trained"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--format", "onxx", "--out", "m.onnx"],
            "format: unknown 'onxx'; choose from onnx, openvino, torchscript, tensorrt, ncnn, litert",
        ),
        (["--format", "onnx", "--out", "m.pt"], "--out m.pt: a file of format onnx must end in .onnx"),
        (["--format", "onnx", "--out", "none/m.onnx"], "--out none/m.onnx: its folder none is missing; make it first"),
        (["--format", "onnx", "--out", "m.onnx", "--lowering", "x"], "choose from auto, fastest, pad, concat, zeros"),
        (
            ["--format", "onnx", "--out", "m.onnx", "--precision", "16"],
            "precision: unknown '16'; choose from fp32, int8",
        ),
        (
            ["--format", "torchscript", "--out", "m.pt", "--precision", "int8"],
            "precision int8: format torchscript has none",
        ),
        (["--format", "onnx", "--out", "m.onnx", "--most_lost", "2"], "most_lost: 2 must be from 0 to 1"),
        (["--format", "onnx", "--out", "m.onnx", "--size", "8x8"], "size '8x8': both sides must be at least 32 pixels"),
        (["--format", "onnx", "--out", "m.onnx", "--data.size", "64x64"], "data.size: 64x64, but the file takes 40x48"),
        (["--format", "onnx", "--out", "m.onnx", "--data.name", "x"], "data.name: unknown 'x'"),
        (
            ["--format", "tensorrt", "--out", "m.engine", "--argmax", "true"],
            "argmax: tensorrt files with classes alone cannot be compared with the network; leave it out",
        ),
        (
            ["--format", "ncnn", "--out", "m.param", "--dynamic", "true"],
            "dynamic: ncnn files take one image of one size; leave it out",
        ),
        (["--format", "ncnn", "--out", "m.param", "--pixels", "true"], "pixels: ncnn files take float32 alone; leave"),
        (["--format", "ncnn", "--out", "m.param", "--argmax", "true"], "argmax: ncnn files give float32 alone; leave"),
        (["--format", "ncnn", "--out", "m.param", "--precision", "int8"], "precision int8: format ncnn has none"),
        (["--format", "litert", "--out", "m.tflite", "--dynamic", "true"], "dynamic: litert files take one image of"),
        (["--format", "litert", "--out", "m.tflite", "--argmax", "true"], "argmax: litert files with classes alone"),
        (["--format", "tensorrt", "--out", "m.engine"], "format tensorrt: trtexec is not on the PATH"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes(
    arguments: list[str],
    words: str,
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = checkpoint()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert words in refusal(capsys, 2, "--checkpoint", str(folder), *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["trained"]


def test_eight_bits_need_labels_of_the_same_classes(
    checkpoint: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint(dataset="mine")
    data = load(DataOptions(size="40x48", limit=2))
    other = type(data)(data.name, tuple("abcdefghi"), data.colours, data.train, data.val)
    monkeypatch.setattr("experiments.data.load", lambda options: other)
    arguments = ["--checkpoint", str(folder), "--format", "onnx", "--out", str(tmp_path / "m.onnx")]
    assert "has other classes than the network" in refusal(capsys, 2, *arguments, "--precision", "int8")
    answer(capsys, *arguments)  # images without labels are enough


def test_no_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(capsys, 2, "--checkpoint", str(tmp_path), "--format", "onnx", "--out", str(tmp_path / "m.onnx"))
    assert "no such file; give the model.safetensors" in message


def test_an_engine_that_is_not_installed(
    checkpoint: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint()
    arguments = [
        "--checkpoint",
        str(folder),
        "--out",
        str(tmp_path / "m.xml"),
        "--format",
        "openvino",
        "--data.limit",
        "2",
    ]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "nncf", None)
        assert "precision int8: nncf is not installed" in refusal(capsys, 2, *arguments, "--precision", "int8")
        patch.setitem(sys.modules, "openvino", None)
        assert refusal(capsys, 2, *arguments) == "engine: openvino is not installed; pip install 'ssr-nas[deploy]'"
    assert [path.name for path in tmp_path.iterdir()] == ["trained"]
