"""Masks of two classes as shades of grey: soft edges recognised, and a threshold that cuts them."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from experiments.data.files import Array, DataError
from experiments.data.label_file import LabelPixels, format_error
from experiments.data.sets.class_file import ClassList
from nas_space.errors import InputError

NEAR = 32
"""A shade this near to the darkest, or to the brightest one, belongs to it."""
APART = 96
"""The two lie at least this far apart."""
SHARE = 0.6
"""Share of the pixels that are near one of the two."""
FEWEST = 3
"""Shades of a mask with soft edges, at least."""


def two_classes(classes: ClassList) -> tuple[int, int]:
    """Indices of the class of dark and of bright pixels: by colour if there are colours, else by id.

    Raises:
        InputError: there are not two classes.
    """
    if len(classes.classes) != 2:
        count = len(classes.classes)
        raise InputError(f"data.threshold: divides pixels into two classes, but {classes.path} gives {count}")
    first, second = (sum(entry.colour or ()) for entry in classes.classes)
    return (1, 0) if first > second else (0, 1)


def has_soft_edges(mask: LabelPixels, classes: ClassList) -> bool:
    """Whether a mask of two classes holds dark and bright areas, and shades between them that are no class."""
    if len(classes.classes) != 2 or (shades := grey_shades(mask)) is None:
        return False
    counts = _histogram(shades)
    present = np.flatnonzero(counts)
    if len(present) < FEWEST or present[-1] - present[0] < APART:
        return False
    known = [*classes.by_id, *(colour[0] for colour in classes.by_colour if len(set(colour)) == 1)]
    if np.isin(present, known).all():
        return False
    near = counts[present[0] : present[0] + NEAR + 1].sum() + counts[present[-1] - NEAR : present[-1] + 1].sum()
    return bool(near >= SHARE * counts.sum())


def soft_edges_error(path: Path) -> DataError:
    """The error for a mask with soft edges."""
    text = f"{path}: a mask of two values with soft edges: shades of grey lie between them"
    return DataError("soft edges", path, f"{text}; give --data.threshold 128, or save it without smoothing")


def apply_threshold(path: Path, mask: LabelPixels, threshold: int, pair: tuple[int, int]) -> Array:
    """Class indices ``(H, W)``: the second of ``pair`` from ``threshold`` on, the first below it.

    Raises:
        DataError: the mask is not grey, or holds 0 and 1, which are ids and no shades.
    """
    shades = grey_shades(mask)
    if shades is None:
        text = "holds colours, or 16-bit numbers; --data.threshold divides shades of grey of 8 bits: save it as such"
        raise format_error(path, text)
    if mask.bits > 1 and shades.max(initial=0) == 1:
        raise format_error(path, f"holds 0 and 1, both below --data.threshold {threshold}; save it with 0 and 255")
    return np.where(shades >= threshold, np.uint8(pair[1]), np.uint8(pair[0]))


def grey_shades(mask: LabelPixels) -> Array | None:
    """The mask as shades ``(H, W)`` of grey; None where it has colours, or more than 8 bits."""
    if mask.bits > 8:
        return None
    if mask.palette is not None:
        used = mask.palette[np.flatnonzero(_histogram(mask.values))]
        return mask.palette[:, 0][mask.values] if (used == used[:, :1]).all() else None
    if mask.values.ndim == 3:
        return mask.values[..., 0] if (mask.values == mask.values[..., :1]).all() else None
    return mask.shades()


def _histogram(values: np.ndarray) -> npt.NDArray[np.int64]:
    counts = cv2.calcHist([np.ascontiguousarray(values)], [0], None, [256], [0, 256])
    return counts.ravel().astype(np.int64)  # OpenCV 4 gives a column
