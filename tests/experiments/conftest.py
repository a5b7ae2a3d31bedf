"""Small data sets on disk, written with Pillow so that what OpenCV reads is checked by another library."""

from collections.abc import Callable, Sequence
from pathlib import Path

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


@pytest.fixture
def write_folder() -> Callable[..., Path]:
    """``write_folder(root, train, val, size, colours)``: a ``folder`` data set of four classes; every mask holds all of them."""

    def write(root: Path, train: int = 3, val: int = 2, size: tuple[int, int] = (40, 56), colours: bool = True) -> Path:
        rng = np.random.default_rng(0)
        for split, count in (("train", train), ("val", val)):
            for kind in ("images", "masks"):
                (root / split / kind).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                indices = np.repeat(np.repeat(rng.permutation(16).reshape(4, 4) % 4, size[0] // 4, 0), size[1] // 4, 1).astype(np.uint8)
                image = np.clip(PALETTE[indices].astype(int) + rng.integers(-30, 30, (*indices.shape, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(image).save(root / split / "images" / f"{split}{i}.png")
                Image.fromarray(PALETTE[indices] if colours else indices).save(root / split / "masks" / f"{split}{i}.png")
        (root / "classes.csv").write_text(CLASSES)
        return root

    return write


@pytest.fixture
def write_pair() -> Callable[..., tuple[Path, Path]]:
    """``write_pair(image, label, values)``: a grey-noise image and a label of these values, repeated over 40x56 pixels."""

    def write(image: Path, label: Path, values: Sequence[int], size: tuple[int, int] = (40, 56)) -> tuple[Path, Path]:
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(image.name.encode()))
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(image)
        Image.fromarray(np.resize(np.array(values, np.uint8), size)).save(label)
        return image, label

    return write
