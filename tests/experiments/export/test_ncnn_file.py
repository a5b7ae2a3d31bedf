"""NCNN files give the network's answer, carry what they are, and are refused where they cannot be run."""

import os
import random
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from experiments import Segmenter
from experiments.benchmark.networks.files import check_file, count_batch_norms, size_mb, write_file
from experiments.benchmark.networks.networks import Network
from experiments.export.export import Exported, check_out, export, trial_images
from experiments.export.formats import FORMATS
from experiments.export.settings import ExportError
from experiments.runtime import engines
from experiments.runtime.description import Description
from experiments.runtime.engines import NCNN_NOTE, open_ncnn, open_timed, timed_call
from experiments.runtime.interface import Interface
from experiments.runtime.session import open_session
from nas_space.architecture import Architecture
from nas_space.blocks import ResidualLayer, upsample
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork

HOW = "is an extra: pip install 'ssr-nas[ncnn]'"
pytest.importorskip("ncnn", reason=f"ncnn {HOW}")
pnnx = pytest.importorskip("pnnx", reason=f"pnnx {HOW}")

SIZE = (67, 101)
DEEP = SpaceConfig(4, (8, 12, 16, 21), ((2,), (2, 3), (1, 2), (1, 2)), (1, 2, 4), (1, 2), (2, 8, 0, 6), (2, 2, 4, 3))
DESCRIPTION = Description(
    classes=("a", "b", "rue pavée", "d", "e"),
    colours=tuple((10 * i, i, i) for i in range(5)),
    size=SIZE,
    dynamic=False,
    interface=Interface(resize=True),
    precision="fp32",
    lowering="zeros",
    head="aggregation",
    dataset="streets",
    architecture={"schema": 1},
)


class Made(NamedTuple):
    network: SegmentationNetwork
    exported: Exported


@pytest.fixture(scope="module")
def made(randomised: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A file of four stages, with the head of a pyramid, dilated layers and pooled ones; of an odd size."""
    torch.manual_seed(0)
    network = randomised(SegmentationNetwork(Architecture.random(DEEP, random.Random(3)), 5, "aggregation"))
    layers = [part for part in network.modules() if isinstance(part, ResidualLayer)]
    dilations = {layer.conv.conv3x1.dilation[0] for layer in layers}
    assert dilations == {1, 2, 4} and {layer.pooling for layer in layers} == {1, 2}
    folder = tmp_path_factory.mktemp("ncnn")
    real = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    images = trial_images(SIZE, False, real)
    return Made(network, export(network, DESCRIPTION, "ncnn", folder / "model.param", images))


@pytest.fixture
def copied(made: Made, tmp_path: Path) -> Path:
    for path in FORMATS["ncnn"].files(made.exported.file):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / made.exported.file.name


def test_what_is_kept_agrees(made: Made) -> None:
    file, agreement = made.exported.file, made.exported.agreement
    assert agreement.images == 4 and agreement.equal_pixels >= 0.999 and 0 < agreement.max_logit_difference < 1e-4
    assert sorted(path.name for path in file.parent.iterdir()) == ["model.bin", "model.param"]
    assert count_batch_norms(file) == 0
    weights = sum(part.weight.numel() for part in made.network.modules() if isinstance(part, torch.nn.Conv2d))
    assert size_mb(file) > 4 * weights / 2**20  # in float32, not in halves


def test_an_application_runs_it(made: Made) -> None:
    segmenter = Segmenter(made.exported.file, threads=2)
    assert segmenter.engine == "ncnn" and segmenter.description == DESCRIPTION
    pictures = [np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(segmenter, pictures))
    for picture, result in zip(pictures, results, strict=True):
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] * (4 / 255) - 2
        with torch.inference_mode():
            expected = upsample(made.network(pixels), SIZE).argmax(1)[0].numpy()
        assert np.mean(result.classes == expected) > 0.999
    assert len(np.unique(results[0].classes)) > 1


def test_an_engine_that_is_timed(made: Made) -> None:
    shape = (1, 3, *SIZE)
    assert timed_call("ncnn", made.exported.file, 1, shape)() == (1, 5, *SIZE)
    image = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    given, run = image.copy(), open_timed("ncnn", made.exported.file, 1)
    first = run(image)
    kept = first.copy()
    run(-image)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(image, given)


@pytest.mark.parametrize("shape", [(1, 3, 66, 101), (1, 3, 101, 67), (2, 3, *SIZE), (3, *SIZE)])
def test_another_image_is_refused(shape: tuple[int, ...], made: Made) -> None:
    with pytest.raises(ValueError, match=r"it takes \(1, 3, 67, 101\)"):
        open_ncnn(made.exported.file).run(np.zeros(shape, np.float32))


def test_its_threads_sleep_while_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    monkeypatch.setattr(engines, "import_module", lambda name: seen.append(os.environ.get("GOMP_SPINCOUNT")))
    monkeypatch.delitem(sys.modules, "ncnn")
    for before in ("10000", None):
        monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
        if before is not None:
            monkeypatch.setenv("GOMP_SPINCOUNT", before)
        for package in ("ncnn", "pnnx"):
            engines.import_engine(package)
            assert os.environ.get("GOMP_SPINCOUNT") == before
    assert seen == ["0", "10000", "0", None]


def refused(file: Path) -> str:
    with pytest.raises(InputError) as error:
        open_session(file)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_files_that_are_damaged(copied: Path) -> None:
    graph, weights = copied.read_bytes(), copied.with_suffix(".bin").read_bytes()
    for content in (b"", b"no model", b"\xff\xfe", graph[: len(graph) // 2]):
        copied.write_bytes(content)
        assert f"{copied}: ncnn cannot open it, it may be damaged" in refused(copied)
    copied.write_bytes(graph)
    for content in (b"", b"no model", weights[:-4]):
        copied.with_suffix(".bin").write_bytes(content)
        assert f"{copied}: ncnn cannot open it, it may be damaged" in refused(copied)
    copied.with_suffix(".bin").unlink()
    assert "its weights model.bin are missing; keep both files side by side" in refused(copied)


def test_files_of_others(copied: Path) -> None:
    graph = copied.read_text(encoding="utf-8")
    copied.write_text(graph.partition(NCNN_NOTE)[0], encoding="utf-8")
    assert "does not say that ssr-nas export wrote it" in refused(copied)
    copied.write_text(graph.partition(NCNN_NOTE)[0] + NCNN_NOTE + "[1]", encoding="utf-8")
    assert "ncnn cannot open it" in refused(copied)
    sizeless = re.sub(r"( in0) 0=\d+ 1=\d+ 2=3$", r"\1", graph, flags=re.MULTILINE)
    assert sizeless != graph
    copied.write_text(sizeless, encoding="utf-8")
    assert "ncnn cannot open it" in refused(copied)  # it would read past the end of a smaller image
    with pytest.raises(InputError, match="onnxruntime takes an .onnx file"):
        open_session(copied, "onnxruntime")
    with pytest.raises(InputError, match="ncnn takes a .param file"):
        open_session(copied.with_suffix(".onnx"), "ncnn")


def test_a_file_that_lies_is_not_kept(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are off by a hundredth give other logits."""

    def wrong(network: torch.nn.Module, file: Path, settings: Any) -> None:
        for path in FORMATS["ncnn"].files(file):
            path.write_bytes(made.exported.file.with_name(path.name).read_bytes())
        weights = np.fromfile(file.with_suffix(".bin"), np.float32)
        weights[len(weights) // 2 :] *= 1.01
        weights.tofile(file.with_suffix(".bin"))

    monkeypatch.setitem(FORMATS, "ncnn", replace(FORMATS["ncnn"], write=wrong))
    with pytest.raises(ExportError, match="does not give the network's answer"):
        export(
            made.network,
            DESCRIPTION,
            "ncnn",
            tmp_path / "model.param",
            trial_images(SIZE, False, torch.zeros(1, 3, *SIZE)),
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo noise; echo no such operator >&2; exit 3", "pnnx failed with exit code 3: no such operator; no file"),
        ("exit 0", "pnnx failed to write a model: it says nothing; no file was kept"),
        ("echo 7767517 > network.ncnn.param; touch network.ncnn.bin", "without one image as its input; no file"),
    ],
)
def test_a_converter_that_fails(
    script: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    program = tmp_path / "pnnx"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(pnnx, "EXEC_PATH", str(program))
    with pytest.raises(ExportError, match=message):
        export(torch.nn.Conv2d(3, 5, 1), DESCRIPTION, "ncnn", tmp_path / "model.param", [])
    assert [path.name for path in tmp_path.iterdir()] == ["pnnx"] and capfd.readouterr() == ("", "")


def test_what_is_there_already_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_text("of an OpenVINO model")
    with pytest.raises(InputError, match="model.bin is there already"):
        check_out(tmp_path / "model.param", "ncnn")


def test_what_a_benchmark_refuses(made: Made, tmp_path: Path) -> None:
    network = Network("own", 5, lambda: made.network)
    check_file(network, "ncnn", "fp32", SIZE)
    with pytest.raises(InputError, match="int8 is not made for ncnn; choose onnxruntime or openvino, or fp32"):
        check_file(network, "ncnn", "int8", SIZE)
    with pytest.raises(InputError, match="x.onnx: engine ncnn runs no ONNX files; choose onnxruntime or openvino"):
        check_file(Network("x.onnx", onnx=tmp_path / "x.onnx"), "ncnn", "fp32", SIZE)
    with pytest.raises(InputError, match="batch: ncnn files take one image; leave --batch out"):
        write_file(network, "ncnn", "fp32", SIZE, tmp_path, batch=2)
    assert list(tmp_path.iterdir()) == []
