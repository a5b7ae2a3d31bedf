"""An application's view: a file and an image in, a class for every pixel out, and no torch."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

import experiments
from experiments import Segmenter
from experiments.data.transforms import normalise
from experiments.runtime.interface import Interface
from experiments.runtime.segmenter import largest
from nas_space.blocks import upsample
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork

Models = Callable[..., Any]
FORMS = [Interface(), Interface(pixels=True), Interface(resize=True), Interface(pixels=True, resize=True, argmax=True)]


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth, so that resizing leaves something."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def by_torch(network: SegmentationNetwork, image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.int64]:
    if image.shape[:2] != size:
        shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
        resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    else:
        resized = image
    with torch.inference_mode():
        logits = network(normalise(torch.from_numpy(resized.astype(np.uint8)).permute(2, 0, 1)[None]))
        return upsample(logits, (image.shape[0], image.shape[1])).argmax(1)[0].numpy()


@pytest.mark.parametrize("interface", FORMS, ids=str)
@pytest.mark.parametrize(("suffix", "engine"), [(".onnx", None), (".onnx", "openvino"), (".xml", None)])
def test_it_gives_what_the_network_gives(suffix: str, engine: str | None, interface: Interface, model: Models) -> None:
    path, network, description = model(suffix, interface=interface)
    segmenter = Segmenter(path, engine, threads=1)
    assert segmenter.description == description
    assert segmenter.engine == (engine or ("openvino" if suffix == ".xml" else "onnxruntime"))
    for size in ((48, 64), (100, 131), (31, 200), (7, 5)):
        image = picture(*size)
        result = segmenter(image)
        assert result.classes.shape == size and result.classes.dtype == np.uint8
        equal = float(np.mean(result.classes == by_torch(network, image, (48, 64))))
        # Classes that are taken inside the graph are resized as such: borders between them are coarser.
        assert equal > (0.999 if size == (48, 64) else 0.8 if interface.argmax else 0.99), (size, equal)
    assert len(np.unique(segmenter(picture(64, 96)).classes)) > 1


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_any_size_where_the_file_takes_any(suffix: str, model: Models) -> None:
    path, network, _ = model(suffix, dynamic=True)
    image = picture(101, 67)
    for size, seen in (("image", (101, 67)), ((64, 80), (64, 80)), (None, (48, 64))):
        assert np.mean(Segmenter(path, size=size)(image).classes == by_torch(network, image, seen)) > 0.99  # type: ignore[arg-type]
    with pytest.raises(InputError, match="image: 31x40: both sides must be at least 32 pixels"):
        Segmenter(path, size="image")(picture(31, 40))
    with pytest.raises(InputError, match="size: 16x64: both sides must be at least 32 pixels"):
        Segmenter(path, size=(16, 64))


def test_another_size_than_the_file_takes(model: Models) -> None:
    path = model()[0]
    assert Segmenter(path, size=(48, 64)).size == (48, 64)
    for size in ("image", (64, 64)):
        with pytest.raises(InputError, match="model.onnx takes images of 48x64 only; export it with --dynamic true"):
            Segmenter(path, size=size)


def test_a_path_and_the_pictures(model: Models, tmp_path: Path) -> None:
    path, image = model()[0], picture(40, 50)
    cv2.imwrite(str(tmp_path / "image.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    result, same = Segmenter(path)(tmp_path / "image.png"), Segmenter(str(path))(image)
    assert np.array_equal(result.classes, same.classes) and np.array_equal(result.image, image)
    assert result.names == ("road", "tree", "sky")
    assert result.colour_map().shape == (40, 50, 3)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((40, 40), np.uint8),
        np.zeros((40, 40, 4), np.uint8),
        np.zeros((40, 40, 3), np.float32),
        np.zeros((0, 40, 3), np.uint8),
        np.zeros((1, 40, 40, 3), np.uint8),
        [["a"]],
        None,
    ],
    ids=lambda image: str(getattr(image, "shape", image)),
)
def test_what_is_no_image(image: Any, model: Models) -> None:
    with pytest.raises(InputError, match="image: expected uint8 of shape"):
        Segmenter(model()[0])(image)


@pytest.mark.parametrize(
    "lie",
    [
        {"classes": ["road", "tree"], "colours": [[0, 0, 0], [1, 1, 1]]},
        {"size": "64x64"},
        {"pixels": True},
        {"argmax": True},
    ],
    ids=lambda lie: "-".join(lie),
)
def test_a_file_that_is_not_what_it_says(lie: dict[str, Any], model: Models) -> None:
    path, _, _ = model()
    file = onnx.load(path)
    for entry in file.metadata_props:
        entry.value = json.dumps(lie[entry.key]) if entry.key in lie else entry.value
    onnx.save(file, path)
    with pytest.raises(InputError, match="model.onnx: .*; export it again") as error:
        Segmenter(path)(np.zeros((40, 40, 3), np.uint8))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_no_class(value: float, model: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = Segmenter(model()[0])
    logits = np.zeros((1, 3, 6, 8), np.float32)
    logits[0, 1, 2, 3] = value
    monkeypatch.setattr(segmenter, "_session", replace(segmenter._session, run=lambda image: logits))
    with pytest.raises(InputError, match="its logits are not finite numbers; train the network again"):
        segmenter(picture(40, 50))


def test_several_threads_at_once(model: Models) -> None:
    images = [picture(48, 64, seed) for seed in range(12)]
    for suffix in (".onnx", ".xml"):
        segmenter = Segmenter(model(suffix)[0], threads=1)
        alone = [segmenter(image).classes for image in images]
        with ThreadPoolExecutor(4) as pool:
            together = [result.classes for result in pool.map(segmenter, images)]
        assert all(map(np.array_equal, alone, together))


def test_the_largest_logit_by_class_is_that_of_all() -> None:
    logits = np.random.default_rng(0).standard_normal((6, 9, 13)).astype(np.float32)
    for size in ((9, 13), (70, 99), (5, 6)):
        expected = upsample(torch.from_numpy(logits)[None], size).argmax(1)[0].numpy()
        assert np.mean(largest(logits, size) == expected) > 0.999
    assert largest(np.zeros((3, 2, 2), np.float32), (2, 2)).max() == 0


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_torch_is_not_loaded(suffix: str, model: Models, tmp_path: Path) -> None:
    path = model(suffix)[0]
    cv2.imwrite(str(tmp_path / "image.png"), picture(40, 50))
    code = f"""
import sys, numpy
from experiments import Segmenter
segmenter = Segmenter({str(path)!r}, threads=1)
result = segmenter(numpy.zeros((60, 90, 3), numpy.uint8))
result.overlay(), segmenter({str(tmp_path / "image.png")!r}).colour_map()
assert result.classes.shape == (60, 90)
heavy = {{"torch", "nni", "pytorch_lightning", "pandas", "matplotlib"}} & set(sys.modules)
assert not heavy, heavy
"""
    root = Path(experiments.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=root)
    assert result.returncode == 0, result.stderr


def test_the_package_offers_nothing_else() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Other'"):
        experiments.Other  # noqa: B018


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
@pytest.mark.parametrize("interface", [Interface(), Interface(resize=True, argmax=True)], ids=["logits", "classes"])
def test_the_next_answer_leaves_this_one_as_it_is(suffix: str, interface: Interface, model: Models) -> None:
    segmenter = Segmenter(model(suffix, interface=interface)[0], threads=1)
    first = segmenter(picture(48, 64))
    before = first.classes.copy()
    assert not np.array_equal(segmenter(255 - picture(48, 64, 1)).classes, before)
    assert np.array_equal(first.classes, before)
