"""An export that lies, is killed, or meets a full disk leaves nothing under the final name."""

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
import torch
from torch import nn

from experiments.data.dataset import Split
from experiments.export import export as module
from experiments.export.export import Quantisation, check_out, export, trial_images
from experiments.export.formats import FORMATS
from experiments.export.settings import ExportError
from experiments.runtime.description import Description
from experiments.runtime.engines import RT_INFO
from experiments.runtime.interface import Interface
from experiments.runtime.session import open_session
from nas_space.errors import InputError
from nas_space.lowering import LOWERINGS, lower
from nas_space.network import SegmentationNetwork

Networks = Callable[..., SegmentationNetwork]
SIZE = (40, 48)
FILES: dict[str, str] = {"onnx": "model.onnx", "openvino": "model.xml", "torchscript": "model.pt"}
DESCRIPTION = Description(
    classes=tuple("abcde"),
    colours=tuple((10 * i, i, i) for i in range(5)),
    size=SIZE,
    dynamic=False,
    interface=Interface(),
    precision="fp32",
    lowering="zeros",
    head="encoder",
    dataset="streets",
    architecture={"schema": 1},
)


def real(count: int = 2) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, *SIZE), dtype=torch.uint8)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("lowering", LOWERINGS)
def test_what_is_kept_agrees(kind: str, lowering: str, network: Networks, tmp_path: Path) -> None:
    description = replace(DESCRIPTION, dynamic=True, lowering=lowering, interface=Interface(argmax=lowering == "pad"))
    exported = export(network(2), description, kind, tmp_path / FILES[kind], trial_images(SIZE, True, real()))
    assert exported.agreement.images == 7 and exported.agreement.equal_pixels >= 0.999
    assert 0 < exported.agreement.max_logit_difference < 1e-4
    assert {path.name for path in tmp_path.iterdir()} == {FILES[kind]} | (
        {"model.bin"} if kind == "openvino" else set()
    )
    if kind != "torchscript":
        assert open_session(exported.file).description == description


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every exporter changes one weight a little."""

    def wrong(network: nn.Module, lowering: Any, pairs: bool = False) -> nn.Module:
        lowered = lower(network, lowering, pairs)
        with torch.no_grad():
            next(part for part in lowered.modules() if isinstance(part, nn.Conv2d)).weight[0, 0, 0, 0] += 0.05
        return lowered

    monkeypatch.setattr("nas_space.lowering.lower", wrong)
    yield


@pytest.mark.parametrize(
    "interface", [Interface(), Interface(pixels=True, resize=True, argmax=True)], ids=["logits", "classes"]
)
@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_lies_is_not_kept(
    kind: str, interface: Interface, liar: None, network: Networks, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="does not give the network's answer: logits differ by up to"):
        export(
            network(),
            replace(DESCRIPTION, interface=interface),
            kind,
            tmp_path / FILES[kind],
            trial_images(SIZE, False, real()),
        )
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_gives_nothing_finite_is_named_and_not_kept(network: Networks, tmp_path: Path) -> None:
    broken = network()
    with torch.no_grad():
        broken.head.bias[0] = float("nan")  # type: ignore[index, union-attr]
    with pytest.raises(InputError, match="^checkpoint: the network's logits are not finite numbers; train it again$"):
        export(broken, DESCRIPTION, "onnx", tmp_path / "model.onnx", trial_images(SIZE, False, real()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_cannot_be_run_is_not_kept(
    kind: str, network: Networks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(FORMATS[kind], write=lambda network, file, settings: file.write_bytes(b"no such file"))
    monkeypatch.setitem(FORMATS, kind, broken)
    with pytest.raises(ExportError, match="cannot be run"):
        export(network(), DESCRIPTION, kind, tmp_path / FILES[kind], trial_images(SIZE, False, real()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FILES)
def test_a_full_disk(kind: str, network: Networks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(
        "experiments.runs.files.os.fsync" if kind != "openvino" else "experiments.export.openvino_file.os.replace",
        full,
    )
    with pytest.raises(OSError, match="No space left"):
        export(network(), DESCRIPTION, kind, tmp_path / FILES[kind], trial_images(SIZE, False, real()))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_of_which_the_engine_says_nothing(
    network: Networks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("basic_ios::clear: iostream error")

    monkeypatch.setattr(openvino, "save_model", fail)
    arguments = (network(), DESCRIPTION, "openvino", tmp_path / "model.xml", trial_images(SIZE, False, real()))
    with pytest.raises(RuntimeError, match="basic_ios"):
        export(*arguments)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage._replace(free=4096))
    with pytest.raises(OSError, match="No space left") as error:
        export(*arguments)
    assert error.value.errno == errno.ENOSPC and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FILES)
def test_killed_while_the_file_is_tried(kind: str, tmp_path: Path) -> None:
    script = f"""
        import os, random, signal
        from pathlib import Path
        from experiments.export import export as module
        from nas_space.architecture import baseline1
        from nas_space.config import SpaceConfig
        from nas_space.network import SegmentationNetwork
        from experiments.runtime.description import Description
        from experiments.runtime.interface import Interface

        def kill(*_):
            assert any(path.suffix == "{Path(FILES[kind]).suffix}" for path in Path({str(tmp_path)!r}).rglob("*"))
            os.kill(os.getpid(), signal.SIGKILL)

        module.compare_answers = kill
        space = SpaceConfig(4, (8, 12), ((1, 2, 3), (1, 3)), (1, 2), (1, 2), 4, 2)
        colours = tuple((0, 0, 0) for _ in range(5))
        description = Description(
            tuple("abcde"), colours, {SIZE}, False, Interface(), "fp32", "zeros", "encoder", "streets", {{}}
        )
        network = SegmentationNetwork(baseline1(space), 5).eval()
        module.export(network, description, {kind!r}, Path({str(tmp_path / FILES[kind])!r}), [])
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == -9, result.stderr
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == []


def test_what_is_there_already_is_refused(network: Networks, tmp_path: Path) -> None:
    for kind, name, there in (
        ("onnx", "a.onnx", "a.onnx"),
        ("openvino", "b.xml", "b.xml"),
        ("openvino", "c.xml", "c.bin"),
    ):
        (tmp_path / there).write_text("mine")
        with pytest.raises(InputError, match=f"{there} is there already"):
            export(network(), DESCRIPTION, kind, tmp_path / name, [])
        assert (tmp_path / there).read_text() == "mine"
    os.symlink(tmp_path / "nowhere", tmp_path / "d.onnx")
    with pytest.raises(InputError, match="d.onnx is there already"):
        check_out(tmp_path / "d.onnx", "onnx")


def test_what_appears_meanwhile_is_not_overwritten(
    network: Networks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = module.compare_answers

    def compare(*arguments: Any) -> Any:
        (tmp_path / "model.onnx").write_text("mine")
        return original(*arguments)

    monkeypatch.setattr(module, "compare_answers", compare)
    with pytest.raises(InputError, match="is there already"):
        export(network(), DESCRIPTION, "onnx", tmp_path / "model.onnx", trial_images(SIZE, False, real()))
    assert (tmp_path / "model.onnx").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_a_wrong_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its folder .* is missing; make it first"):
        check_out(tmp_path / "none" / "model.onnx", "onnx")
    with pytest.raises(InputError, match="a file of format torchscript must end in .pt or .ts"):
        check_out(tmp_path / "model.onnx", "torchscript")
    with pytest.raises(InputError, match="is not UTF-8, as the path of an exported file has to be"):
        check_out(tmp_path / os.fsdecode(b"\xff.onnx"), "onnx")


def quantisation(network: SegmentationNetwork, most_lost: float) -> Quantisation:
    """Labels are what the network itself says, so the float32 file scores 100 %."""
    images = real(6)
    with torch.inference_mode():
        logits = network(images.float() * (4 / 255) - 2)
        labels = nn.functional.interpolate(logits, size=SIZE, mode="bilinear").argmax(1).to(torch.uint8)
    return Quantisation(images, Split(images, labels, tuple("abcdef")), most_lost)


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
@pytest.mark.parametrize(
    "interface", [Interface(), Interface(pixels=True, resize=True, argmax=True)], ids=["logits", "classes"]
)
def test_eight_bits(kind: str, interface: Interface, network: Networks, tmp_path: Path) -> None:
    original = network(1)
    description = replace(DESCRIPTION, precision="int8", interface=interface)
    images = trial_images(SIZE, False, real())
    exported = export(original, description, kind, tmp_path / FILES[kind], images, quantisation(original, 0.3))
    assert exported.miou_before is not None and exported.miou is not None
    assert exported.miou_before > 0.999 and 0.7 < exported.miou < 1.0
    assert 1e-3 < exported.agreement.max_logit_difference
    session = open_session(exported.file)
    assert session.description == description
    types = (
        {tensor.data_type for tensor in onnx.load(exported.file).graph.initializer}
        if kind == "onnx"
        else {
            str(node.get_output_element_type(0)) for node in openvino.Core().read_model(exported.file).get_ordered_ops()
        }
    )
    assert (onnx.TensorProto.INT8 if kind == "onnx" else "<Type: 'int8_t'>") in types
    assert {path.name for path in tmp_path.iterdir()} == {FILES[kind]} | (
        {"model.bin"} if kind == "openvino" else set()
    )


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_eight_bits_that_lose_too_much_are_not_kept(kind: str, network: Networks, tmp_path: Path) -> None:
    original = network(1)
    description = replace(DESCRIPTION, precision="int8")
    with pytest.raises(
        ExportError, match=r"the 8-bit file has .* % mIoU, .* points less .*--most_lost allows 0\); no file was kept"
    ):
        export(
            original,
            description,
            kind,
            tmp_path / FILES[kind],
            trial_images(SIZE, False, real()),
            quantisation(original, 0.0),
        )
    assert list(tmp_path.iterdir()) == []


def test_images_of_a_trial() -> None:
    images = trial_images((40, 48), True, real(3))
    assert [tuple(image.shape[2:]) for image in images] == [SIZE, SIZE, (41, 48), (43, 53), (32, 33), SIZE, SIZE, SIZE]
    assert not torch.equal(images[0], images[1]) and torch.equal(images[0], trial_images((40, 48), True, real(3))[0])
    assert len(trial_images((40, 48), False, real(3))) == 5


def test_the_description_is_readable_elsewhere(network: Networks, tmp_path: Path) -> None:
    for kind in FILES:
        export(network(), DESCRIPTION, kind, tmp_path / FILES[kind], trial_images(SIZE, False, real()))
    assert {
        entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props
    } == DESCRIPTION.metadata()
    model = openvino.Core().read_model(tmp_path / "model.xml")
    assert all(model.get_rt_info([RT_INFO, key]).astype(str) == value for key, value in DESCRIPTION.metadata().items())
    extra = {"ssr-nas.json": ""}
    with pytest.warns(FutureWarning) if torch.__version__ >= "2.9" else np.errstate():
        torch.jit.load(tmp_path / "model.pt", _extra_files=extra)
    assert Description.from_metadata("model.pt", __import__("json").loads(extra["ssr-nas.json"])) == DESCRIPTION
