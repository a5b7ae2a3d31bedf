"""TensorRT by a command that stands in for trtexec: it runs the ONNX file, and misbehaves when told to."""

import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.export.export import export, trial_images
from experiments.export.settings import ExportError
from experiments.export.tensorrt_file import find_trtexec
from experiments.runtime.description import Description
from experiments.runtime.interface import Interface
from nas_space.errors import InputError

SIZE = (40, 48)
FAKE = f"""#!{sys.executable}
import json, os, shutil, sys
import numpy, onnxruntime
with open({{log!r}}, "a") as log:
    print(json.dumps(sys.argv[1:]), file=log)
given = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
behaviour = {{behaviour!r}}
if behaviour == "fails":
    print("[E] no such device", file=sys.stderr)
    sys.exit(1)
if behaviour == "dies" or behaviour == "cannot run" and "--loadEngine" in given:
    sys.exit(3)
if "--onnx" in given:
    shutil.copy(given["--onnx"], given["--saveEngine"])
else:
    session = onnxruntime.InferenceSession(open(given["--loadEngine"], "rb").read(), providers=["CPUExecutionProvider"])
    kind = {{{{"tensor(float)": "float32", "tensor(uint8)": "uint8"}}}}[session.get_inputs()[0].type]
    name, file = given["--loadInputs"].split(":")
    shape = session.get_inputs()[0].shape
    if "--shapes" in given:
        shape = [int(side) for side in given["--shapes"].split(":")[1].split("x")]
    image = numpy.fromfile(file, kind).reshape(shape)
    output = session.run(None, {{{{name: image}}}})[0]
    if behaviour == "lies":
        output = output + 1
    dimensions, values = "x".join(map(str, output.shape)), output.ravel().tolist()
    tensor = {{{{"name": session.get_outputs()[0].name, "dimensions": dimensions, "values": values}}}}
    written = {{{{"says nothing": None, "writes nonsense": "[E] out of memory", "writes another shape": "[]"}}}}
    text = written.get(behaviour, json.dumps([tensor]))
    if text is not None:
        open(given["--exportOutput"], "w").write(text)
"""


@pytest.fixture
def trtexec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    def install(behaviour: str = "") -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        command, log = folder / "trtexec", folder / "log"
        command.write_text(FAKE.format(log=str(log), behaviour=behaviour))
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder))
        return log

    return install


def described(**changes: Any) -> Description:
    colours = ((0, 0, 0),) * 5
    base = Description(tuple("abcde"), colours, SIZE, False, Interface(), "fp32", "zeros", "encoder", "streets", {})
    return replace(base, **changes)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("pixels", [False, True])
def test_an_engine_is_built_and_tried(
    dynamic: bool, pixels: bool, trtexec: Callable[..., Path], network: Callable[..., Any], tmp_path: Path
) -> None:
    log, out = trtexec(), tmp_path / "out"
    out.mkdir()
    images = trial_images(SIZE, dynamic, torch.zeros(1, 3, *SIZE, dtype=torch.uint8))
    exported = export(
        network(),
        described(dynamic=dynamic, interface=Interface(pixels=pixels)),
        "tensorrt",
        out / "a,b:c.engine",
        images,
    )
    assert exported.agreement.max_logit_difference < 1e-4 and exported.agreement.images == len(images)
    assert [path.name for path in out.iterdir()] == ["a,b:c.engine"]
    calls = log.read_text().splitlines()
    assert len(calls) == 1 + len(images) and "--noTF32" in calls[0]
    assert ("--optShapes=image:" + ("1x40x48x3" if pixels else "1x3x40x48") in calls[0]) == dynamic


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("fails", "trtexec failed with exit code 1: .*no such device"),
        ("lies", "logits differ by up to 1"),
        ("dies", r"^trtexec failed with exit code 3: it says nothing; no file was kept$"),
        ("cannot run", r"the exported file cannot be run \(RuntimeError: trtexec failed with exit code 3"),
        ("says nothing", r"trtexec wrote no readable output \(FileNotFoundError\)"),
        ("writes nonsense", r"trtexec wrote no readable output \(JSONDecodeError\)"),
        ("writes another shape", r"trtexec wrote no readable output \(ValueError\)"),
    ],
)
def test_an_engine_that_misbehaves(
    behaviour: str, words: str, trtexec: Callable[..., Path], network: Callable[..., Any], tmp_path: Path
) -> None:
    trtexec(behaviour)
    out = tmp_path / "out"
    out.mkdir()
    images = trial_images(SIZE, False, torch.zeros(1, 3, *SIZE, dtype=torch.uint8))
    with pytest.raises(ExportError, match=words):
        export(network(), described(), "tensorrt", out / "model.engine", images)
    assert list(out.iterdir()) == []


def test_without_tensorrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        InputError, match="format tensorrt: trtexec is not on the PATH; install TensorRT, or choose onnx"
    ):
        find_trtexec()
