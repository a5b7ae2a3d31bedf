"""What labels hold: pixels of each class index, in the file, at ``data.size`` and at an eighth of it."""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from experiments.data.dataset import LabelCounts
from experiments.data.files import Array
from experiments.options.groups import IGNORE

EIGHTH = 8
"""Cell size of the labels in a search, and in a training of the encoder."""


class Counted(NamedTuple):
    """What one label holds.

    Args:
        pixels: ``(256,)`` int64, pixels of each index in the file.
        at_size: ``(256,)`` bool, which indices are left at ``data.size``.
        at_eighth: ``(256,)`` bool, which are left at an eighth of it.
    """

    pixels: npt.NDArray[np.int64]
    at_size: npt.NDArray[np.bool_]
    at_eighth: npt.NDArray[np.bool_]


def count_label(label: Array, size: tuple[int, int]) -> Counted:
    """Count the label ``(H, W)`` uint8, and look what resizing it to ``size`` leaves."""
    at_size, at_eighth = (count_values(sampled(label, size, stride)) > 0 for stride in (1, EIGHTH))
    return Counted(count_values(label), at_size, at_eighth)


def count_values(label: Array) -> npt.NDArray[np.int64]:
    """Pixels of each value ``(256,)`` of ``(H, W)`` uint8."""
    if label.size >= 2**24:  # the histogram is float32
        return np.bincount(label.ravel(), minlength=IGNORE + 1)
    counts = cv2.calcHist([np.ascontiguousarray(label)], [0], None, [IGNORE + 1], [0, IGNORE + 1])
    return counts.ravel().astype(np.int64)


def sampled(label: Array, size: tuple[int, int], stride: int = 1) -> Array:
    """What ``resize_label`` to ``size`` and ``downsample_labels`` by ``stride`` leave of ``(H, W)``.

    Each row and column of the label comes once at most: there are never more pixels than it has.
    """
    rows, columns = (np.unique(_places(old, new, stride)) for old, new in zip(label.shape, size, strict=True))
    return label[rows[:, None], columns]


def stack(parts: Iterable[Counted]) -> LabelCounts:
    """What the labels of a split hold, a row for each."""
    rows = list(parts)
    shape = len(rows), IGNORE + 1
    counts = LabelCounts(np.zeros(shape, np.int64), np.zeros(shape, np.bool_), np.zeros(shape, np.bool_))
    for place, (pixels, at_size, at_eighth) in enumerate(rows):
        counts.pixels[place], counts.at_size[place], counts.at_eighth[place] = pixels, at_size, at_eighth
    return counts


def _places(old: int, new: int, stride: int) -> npt.NDArray[np.int64]:
    """Where the centres of the cells of a resized axis come from."""
    start = np.arange(0, new, stride)
    centre = (start + np.minimum(start + stride, new)) // 2
    return np.minimum(((centre + 0.5) * old / new).astype(np.int64), old - 1)
