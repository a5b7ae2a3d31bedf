"""Small data sets on disk, and networks with random weights.

Pillow writes the images, so that another library checks what OpenCV reads.
"""

import errno
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CLASSES = """name,id,colour
grass,0,"0 200 0"
path,1,"200 180 100"
pond,2,"0 0 200"
hut,3,"200 0 0"
"""
PALETTE = np.array([(0, 200, 0), (200, 180, 100), (0, 0, 200), (200, 0, 0)], np.uint8)


@pytest.fixture(autouse=True)
def speed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The closing text of a search or a retraining names a speed without measuring it."""
    from experiments.latency import closing

    monkeypatch.setattr(closing, "measured", lambda *_: closing.Speed(10.0, 12.5, "measured by nobody"))


@pytest.fixture
def write_folder() -> Callable[..., Path]:
    """``write_folder(root, train, val, size, colours)``: a ``folder`` data set of four classes, all in each mask."""

    def write(root: Path, train: int = 3, val: int = 2, size: tuple[int, int] = (40, 56), colours: bool = True) -> Path:
        rng = np.random.default_rng(0)
        for split, count in (("train", train), ("val", val)):
            for kind in ("images", "masks"):
                (root / split / kind).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                indices = np.repeat(
                    np.repeat(rng.permutation(16).reshape(4, 4) % 4, size[0] // 4, 0), size[1] // 4, 1
                ).astype(np.uint8)
                image = np.clip(
                    PALETTE[indices].astype(int) + rng.integers(-30, 30, (*indices.shape, 3)), 0, 255
                ).astype(np.uint8)
                Image.fromarray(image).save(root / split / "images" / f"{split}{i}.png")
                Image.fromarray(PALETTE[indices] if colours else indices).save(
                    root / split / "masks" / f"{split}{i}.png"
                )
        (root / "classes.csv").write_text(CLASSES)
        return root

    return write


@pytest.fixture
def write_pair() -> Callable[..., tuple[Path, Path]]:
    """``write_pair(image, label, values)``: a grey-noise image, and a label that repeats these values."""

    def write(image: Path, label: Path, values: Sequence[int], size: tuple[int, int] = (40, 56)) -> tuple[Path, Path]:
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(image.name.encode()))
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(image)
        Image.fromarray(np.resize(np.array(values, np.uint8), size)).save(label)
        return image, label

    return write


@pytest.fixture
def checkpoint(tmp_path: Path, tiny: Callable[..., Any]) -> Callable[..., Path]:
    """``checkpoint(name="run", space=None, **changes)``: a network for street scenes; its weights tell images apart."""
    import torch

    from experiments.data.streets.palette import CLASSES
    from experiments.data.streets.scenes import COLOURS
    from experiments.model_file import ModelInfo, save_model
    from nas_space.architecture import baseline1
    from nas_space.network import SegmentationNetwork

    def make(name: str = "run", seed: int = 0, space: Any = None, **changes: Any) -> Path:
        torch.manual_seed(seed)
        values: dict[str, Any] = {
            "classes": CLASSES,
            "colours": COLOURS,
            "size": (32, 40),
            "dataset": "streets",
            **changes,
        }
        architecture = baseline1(space or tiny())
        info = ModelInfo(architecture=architecture, head=architecture.space.heads[0], **values)
        network = SegmentationNetwork(architecture, len(info.classes))
        classifier: Any = network.head if space is None else network.head.classifier
        torch.nn.init.normal_(classifier.weight, std=0.5)
        network.train()(torch.randn(8, 3, 32, 40) * torch.rand(8, 1, 1, 1) * 2)  # statistics of the batch norms
        folder = tmp_path / name
        folder.mkdir()
        save_model(folder, network.eval(), info)
        return folder

    return make


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """``read_only()``: from now on no file can be opened for writing, also by root, whom no permission stops."""
    opened, opened_by_number = io.open, os.open

    def refuse(path: object) -> OSError:
        return OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def by_name(path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if set(mode) & set("wax+") and path != os.devnull:
            raise refuse(path)
        return opened(path, mode, *rest, **options)

    def by_number(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise refuse(path)
        return opened_by_number(path, flags, *rest, **options)

    def close() -> None:
        monkeypatch.setattr("builtins.open", by_name)
        monkeypatch.setattr("io.open", by_name)
        monkeypatch.setattr("os.open", by_number)

    return close
