"""CamVid: street scenes filmed from a car in Cambridge, 11 classes (Brostow et al., 2009), as published with SegNet."""

import os
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from experiments.config import DataOptions
from experiments.data.dataset import IGNORE
from experiments.data.files import Array, decode, read_image
from experiments.data.source import DataSource, Sample, evenly
from nas_space.errors import InputError

CLASSES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "cyclist")
COLOURS = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)
VOID = len(CLASSES)
"""Void in the published labels; 255 is read as void too."""


def open_camvid(options: DataOptions) -> DataSource:
    """Find the splits in ``data.root``, or in ``$CAMVID_ROOT``: the folder that holds ``train``, ``trainannot``, ``val`` and ``valannot``.

    The published copy has a ``test`` and a ``testannot`` as well; they are a split where both are there.

    Raises:
        InputError: no folder is given, or a folder or label is missing.
    """
    given = options.root or os.environ.get("CAMVID_ROOT")
    if not given:
        raise InputError("camvid: no folder given; set data.root or the environment variable CAMVID_ROOT to the folder that holds train/")
    root = Path(given)
    has_test = (root / "test").is_dir() and (root / "testannot").is_dir()
    splits = {split: _samples(root, split, options.limit) for split in ("train", "val", *(("test",) if has_test else ()))}
    return DataSource("camvid", CLASSES, COLOURS, splits)


def _samples(root: Path, split: str, limit: int | None) -> list[Sample]:
    pairs = evenly(list_pairs(root, split), limit)
    return [Sample(image.stem, image, label, partial(read_pair, image, label)) for image, label in pairs]


def list_pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    """Image and label files of a split, sorted by name.

    Raises:
        InputError: a folder is missing or empty, a name occurs twice, or an image has no label.
    """
    images, labels = root / split, root / f"{split}annot"
    for folder in (images, labels):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; data.root (or CAMVID_ROOT) must hold {split}/ and {split}annot/")
    found: dict[str, Path] = {}
    for path in sorted(images.iterdir()):
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
            continue
        if path.stem in found:
            raise InputError(f"{path}: {found[path.stem].name} has the same name; keep one of them")
        found[path.stem] = path
    if not found:
        raise InputError(f"{images}: holds no .jpg or .png image")
    pairs = [(path, labels / f"{name}.png") for name, path in sorted(found.items())]
    for image, label in pairs:
        if not label.is_file():
            raise InputError(f"{image}: its label {label} is missing")
    return pairs


def read_pair(image_path: Path, label_path: Path) -> tuple[Array, Array]:
    """One image and its label at their own resolution.

    Returns:
        Image ``(H, W, 3)`` RGB and label ``(H, W)`` with classes 0 to 10 and 255 where void.

    Raises:
        InputError: a file is unreadable or truncated, the label is no single-channel 8-bit image or holds a value that is no
            class, or the two differ in size.
    """
    image, label = read_image(image_path), decode(label_path, cv2.IMREAD_UNCHANGED)
    if label.ndim != 2 or label.dtype != np.uint8:
        kind = f"{label.dtype} {label.shape}"
        raise InputError(f"{label_path}: a label must be a single-channel 8-bit PNG of class indices, this one is {kind}")
    if image.shape[:2] != label.shape:
        sizes = "{}x{} and {}x{}".format(*image.shape[:2], *label.shape)
        raise InputError(f"{image_path} and {label_path}: image and label differ in size ({sizes})")
    wrong = label[(label > VOID) & (label < IGNORE)]
    if wrong.size:
        raise InputError(f"{label_path}: value {wrong[0]} is no class; labels are 0 to {VOID - 1}, void is {VOID} or {IGNORE}")
    label[label == VOID] = IGNORE
    return image, label.astype(np.uint8, copy=False)
