"""The table of formats: a new format is one entry, and everything that asks for a format follows it."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from experiments.cli import main
from experiments.export.export import check_out
from experiments.export.formats import FORMATS, describe_formats
from experiments.runtime.engines import PACKAGES
from nas_space.errors import InputError

ROOT = Path(__file__).parents[3]


def test_entries_fit_together() -> None:
    suffixes = [suffix for kind in FORMATS.values() for suffix in kind.suffixes]
    assert len(set(suffixes)) == len(suffixes) and all(suffix.startswith(".") for suffix in suffixes)
    assert all(name == kind.name for name, kind in FORMATS.items())
    engines = [kind.engine for kind in FORMATS.values() if kind.engine is not None]
    assert len(set(engines)) == len(engines) and set(engines) <= set(PACKAGES)


def test_files_of_a_format() -> None:
    assert FORMATS["openvino"].files(Path("a/b.xml")) == [Path("a/b.xml"), Path("a/b.bin")]
    assert FORMATS["onnx"].files(Path("b.onnx")) == [Path("b.onnx")]


@pytest.mark.parametrize("command", [["export"], ["export", "lowering"]])
def test_the_help_names_the_formats(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    listed = describe_formats() if command == ["export"] else "any of onnx, openvino, torchscript, ncnn, litert"
    assert listed in text and "tensorrt (by trtexec; experimental, never run on a GPU here)" in describe_formats()


def test_a_new_format_is_one_entry(
    checkpoint: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = replace(FORMATS["onnx"], name="toy", suffixes=(".toy",), fastest="concat", quantise=None)
    monkeypatch.setitem(FORMATS, "toy", toy)
    arguments = ["export", "--checkpoint", str(checkpoint()), "--format", "toy", "--out", str(tmp_path / "model.toy")]
    assert main([*arguments, "--precision", "int8"]) == 2
    assert "precision int8: format toy has none; choose onnx or openvino" in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["format"], result["lowering"]) == ("toy", "concat")
    assert onnx.load(tmp_path / "model.toy").graph.node
    with pytest.raises(InputError, match="a file of format toy must end in .toy"):
        check_out(tmp_path / "model.onnx", "toy")
    arguments[4] = "typo"
    assert main(arguments) == 2
    assert "choose from onnx, openvino, torchscript, tensorrt, ncnn, litert, toy" in capsys.readouterr().err


@pytest.mark.parametrize(
    "module", ["export.formats", *(f"commands.{name}" for name in ("export_lowering", "benchmark", "cost"))]
)
def test_the_table_and_the_options_are_light(module: str) -> None:
    heavy = "{'torch', 'nni', 'pytorch_lightning', 'cv2', 'matplotlib', 'pandas', 'onnx', 'onnxruntime', 'openvino'}"
    code = f"import sys, experiments.{module}; heavy = {heavy} & set(sys.modules); assert not heavy, heavy"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
