"""Label files: from the values in a file to class indices."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from experiments.data.files import Array, DataError, decode, read_image
from experiments.options.groups import IGNORE

Table = npt.NDArray[np.int16]
ReadLabel = Callable[[Path], Array]
UNKNOWN = -1
ROWS = 256
"""Rows that are looked up at once."""
LISTED = 256
"""Most values of one file that are listed when they are no class; the frequent ones come first."""


def make_table(classes: Mapping[int, int], size: int) -> Table:
    """Value -> class index (or 255), and -1 for every value that is no class: ``(size,)``."""
    table = np.full(size, UNKNOWN, np.int16)
    table[list(classes)] = list(classes.values())
    return table


def take(table: Table, values: np.ndarray) -> np.ndarray:
    """``table[values]``, by rows: for a whole label at once, NumPy would make eight bytes of every value."""
    result = np.empty(values.shape, table.dtype)
    for start in range(0, len(values), ROWS):
        result[start : start + ROWS] = table.take(values[start : start + ROWS])
    return result


def read_pair(image_path: Path, label_path: Path, read_label: ReadLabel) -> tuple[Array, Array]:
    """One image and its label at their own resolution.

    Returns:
        Image ``(H, W, 3)`` RGB and label ``(H, W)``: class indices, 255 where ignored.

    Raises:
        DataError: a file is wrong, or the two differ in size.
    """
    image, label = read_image(image_path), read_label(label_path)
    if image.shape[:2] != label.shape:
        sizes = "height x width ({}x{} and {}x{})".format(*image.shape[:2], *label.shape)
        turned = "images are turned by their EXIF orientation, labels too: remove that tag, or turn the label"
        hint = turned if image.shape[1::-1] == label.shape else "make the label anew at the image's size"
        text = f"{image_path} and {label_path}: image and label differ in size, {sizes}; {hint}"
        raise DataError("sizes differ", label_path, text)
    return image, label


def read_index_label(path: Path, table: Table, known: str) -> Array:
    """A single-channel 8-bit label ``(H, W)`` with its values looked up in ``table``.

    Args:
        path: the file.
        table: of 256 values.
        known: which values are classes, for the message.

    Raises:
        DataError: the file is unreadable, of another kind, or holds a value that is no class.
    """
    values = decode(path, cv2.IMREAD_UNCHANGED)
    if values.ndim != 2 or values.dtype != np.uint8:
        text = f"{path}: a label must be a single-channel 8-bit PNG of class indices, not {values.dtype} {values.shape}"
        raise DataError("label format", path, text)
    return look_up(values, table, path, lambda value: f"value {value}", known)


def index_reader(values: Mapping[int, int], known: str) -> ReadLabel:
    """``read_index_label`` with the values of one data set: value -> class index or 255."""
    return partial(read_index_label, table=make_table(values, 256), known=known)


def look_up(values: np.ndarray, table: Table, path: Path, describe: Callable[[int], str], known: str) -> Array:
    """Class indices of ``values``, which must lie inside the table.

    Args:
        values: ``(H, W)`` whole numbers.
        table: value -> class index, -1 where it is no class.
        path: the file, for messages.
        describe: gives a value in words.
        known: which values are classes, for the message.

    Raises:
        DataError: a value is no class; its ``values`` are those of the file.
    """
    indices = take(table, values)
    if indices.min(initial=IGNORE) < 0:
        unknown, counts = np.unique(values[indices < 0], return_counts=True)
        often = np.argsort(-counts, kind="stable")[:LISTED]
        listed = {describe(int(unknown[i])): int(counts[i]) for i in often}
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        text = f"{path}: {next(iter(listed))} is no class{more}; {known}"
        raise DataError("unknown value", path, text, values=listed)
    return indices.astype(np.uint8)
