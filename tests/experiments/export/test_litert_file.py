"""LiteRT files give the network's answer, carry what they are, and are refused where they cannot be run."""

import random
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from experiments import Segmenter
from experiments.export import litert_file
from experiments.export.export import Exported, export, trial_images
from experiments.export.settings import ExportError
from experiments.runtime import engines
from experiments.runtime.description import Description
from experiments.runtime.engines import LITERT_NOTE, open_litert, timed_call
from experiments.runtime.interface import Interface
from experiments.runtime.session import open_session
from nas_space.architecture import Architecture
from nas_space.blocks import ResidualLayer, upsample
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork

SIZE = (67, 101)
DEEP = SpaceConfig(4, (8, 12, 16, 21), ((2,), (2, 3), (1, 2), (1, 2)), (1, 2, 4), (1, 2), (2, 8, 0, 6), (2, 2, 4, 3))
DESCRIPTION = Description(
    classes=("a", "b", "rue pavée", "d", "e"),
    colours=tuple((10 * i, i, i) for i in range(5)),
    size=SIZE,
    dynamic=False,
    interface=Interface(pixels=True, resize=True),
    precision="fp32",
    lowering="zeros",
    head="aggregation",
    dataset="streets",
    architecture={"schema": 1},
)
FAILURES = [
    (
        "print('noise'); raise SystemExit('no such operator')",
        "litert_torch failed with exit code 1: no such operator; no",
    ),
    ("print('noise')", "litert_torch failed to write a file: it says nothing; no file was kept"),
]


class Made(NamedTuple):
    network: SegmentationNetwork
    exported: Exported


@pytest.fixture(scope="module")
def made(randomised: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A file of four stages, with the head of a pyramid, dilated layers and pooled ones; of an odd size."""
    for package in ("ai_edge_litert", "jax"):  # litert_torch itself takes seconds to import
        pytest.importorskip(package, reason="LiteRT is an extra: pip install 'ssr-nas[litert]'")
    torch.manual_seed(0)
    network = randomised(SegmentationNetwork(Architecture.random(DEEP, random.Random(3)), 5, "aggregation"))
    layers = [part for part in network.modules() if isinstance(part, ResidualLayer)]
    assert {layer.conv.conv3x1.dilation[0] for layer in layers} == {1, 2, 4}
    assert {layer.pooling for layer in layers} == {1, 2}
    images = trial_images(SIZE, False, torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8))
    file = tmp_path_factory.mktemp("litert") / "model.tflite"
    return Made(network, export(network, DESCRIPTION, "litert", file, images))


@pytest.fixture
def copied(made: Made, tmp_path: Path) -> Path:
    file = tmp_path / "model.tflite"
    file.write_bytes(made.exported.file.read_bytes())
    return file


def test_what_is_kept_agrees(made: Made) -> None:
    file, agreement = made.exported.file, made.exported.agreement
    assert agreement.images == 4 and agreement.equal_pixels >= 0.999 and 0 < agreement.max_logit_difference < 1e-4
    assert list(file.parent.iterdir()) == [file]
    weights = sum(part.weight.numel() for part in made.network.modules() if isinstance(part, torch.nn.Conv2d))
    assert file.stat().st_size > 4 * weights  # in float32, not in halves


def test_an_application_runs_it(made: Made) -> None:
    segmenter = Segmenter(made.exported.file, threads=2)
    assert segmenter.engine == "litert" and segmenter.description == DESCRIPTION
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
    assert timed_call("litert", made.exported.file, 1, (1, *SIZE, 3), pixels=True)() == (1, 5, *SIZE)
    run = open_litert(made.exported.file).run
    for wrong in ((1, 66, 101, 3), (2, *SIZE, 3)):
        with pytest.raises(ValueError, match="Dimension mismatch"):
            run(np.zeros(wrong, np.uint8))


def refused(file: Path) -> str:
    with pytest.raises(InputError) as error:
        open_session(file)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_files_that_are_damaged(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = copied.read_bytes()
    for content in (b"", b"no model", whole[: len(whole) // 2]):
        copied.write_bytes(content)
        assert f"{copied}: litert cannot open it, it may be damaged" in refused(copied)
    copied.write_bytes(whole.replace(b'"format"', b'"fxrmat"'))
    assert "litert cannot open it, it may be damaged (Bad CRC-32" in refused(copied)
    copied.write_bytes(whole[:-1])
    assert "does not say that ssr-nas export wrote it" in refused(copied)
    copied.write_bytes(whole)
    monkeypatch.setattr(engines, "LONGEST_NOTE", 100)
    assert f"{LITERT_NOTE} in it is too long" in refused(copied)


def test_files_of_others(copied: Path) -> None:
    with zipfile.ZipFile(copied) as archive:
        start = archive.getinfo(LITERT_NOTE).header_offset
    copied.write_bytes(copied.read_bytes()[:start])
    assert "does not say that ssr-nas export wrote it" in refused(copied)
    with zipfile.ZipFile(copied, "a") as archive:
        archive.writestr("labels.txt", "road")
    assert "does not say that ssr-nas export wrote it" in refused(copied)


@pytest.mark.parametrize(("code", "message"), FAILURES)
def test_a_converter_that_fails(
    code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(litert_file, "find_spec", lambda name: name)
    monkeypatch.setattr(litert_file, "module_command", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(ExportError, match=message):
        export(torch.nn.Conv2d(3, 5, 1), DESCRIPTION, "litert", tmp_path / "model.tflite", [])
    assert list(tmp_path.iterdir()) == [] and capfd.readouterr() == ("", "")


def test_without_its_converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert_file, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"litert_torch is not installed; pip install 'ssr-nas\[litert\]'"):
        export(torch.nn.Conv2d(3, 5, 1), DESCRIPTION, "litert", tmp_path / "model.tflite", [])
    assert list(tmp_path.iterdir()) == []
