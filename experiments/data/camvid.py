"""CamVid: street scenes filmed from a car in Cambridge, 11 classes (Brostow et al., 2009), as published with SegNet."""

import os
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from experiments.data.dataset import IGNORE, SegmentationData, Split
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

Array = npt.NDArray[np.uint8]


def load_camvid(root: str | None, size: tuple[int, int], limit: int | None = None) -> SegmentationData:
    """Read the training and the validation split into memory.

    Args:
        root: the folder that holds ``train``, ``trainannot``, ``val`` and ``valannot``; ``$CAMVID_ROOT`` if absent.
        size: height and width in pixels that images and labels are resized to.
        limit: at most so many images of each split, evenly spaced over the sorted names (neighbours are frames of one film).

    Raises:
        InputError: a folder or label is missing, a file cannot be read, or a label does not fit; the message names the file.
    """
    root = root or os.environ.get("CAMVID_ROOT")
    if not root:
        raise InputError("camvid: no folder given; set data.root or the environment variable CAMVID_ROOT to the folder that holds train/")
    train, val = (_read_split(Path(root), split, size, limit) for split in ("train", "val"))
    return SegmentationData("camvid", CLASSES, COLOURS, train, val)


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
    image = cv2.cvtColor(_decode(image_path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    label = _decode(label_path, cv2.IMREAD_UNCHANGED)
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
    return image.astype(np.uint8, copy=False), label.astype(np.uint8, copy=False)


def _read_split(root: Path, split: str, size: tuple[int, int], limit: int | None) -> Split:
    pairs = list_pairs(root, split)
    count = min(limit or len(pairs), len(pairs))
    pairs = [pairs[i * len(pairs) // count] for i in range(count)]
    images = np.empty((count, *size, 3), np.uint8)
    labels = np.empty((count, *size), np.uint8)
    for i, (image_path, label_path) in enumerate(pairs):
        image, label = read_pair(image_path, label_path)
        shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
        # INTER_AREA averages what falls into a pixel, which is right only where the image becomes smaller.
        images[i] = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        # INTER_NEAREST takes the corner of the source pixels, INTER_NEAREST_EXACT their centre, as the image does.
        labels[i] = cv2.resize(label, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    planes = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    return Split(planes, torch.from_numpy(labels), tuple(image.stem for image, _ in pairs))


def _decode(path: Path, flags: int) -> np.ndarray:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    # OpenCV decodes the beginning of a cut file and paints the rest grey, with no error: look for the end marks first.
    if data.startswith(b"\xff\xd8"):
        complete = data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")  # end of image after the last start of scan
    else:
        complete = not data.startswith(b"\x89PNG") or b"IEND" in data[-64:]
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data and complete else None
    except cv2.error:  # a header that promises more pixels than OpenCV takes
        image = None
    if image is None:
        raise InputError(f"{path}: not an image, or truncated; copy it again or remove it")
    return image
