"""Label files: from the values in a file to class indices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from experiments.data.files import TWO_READINGS, Array, DataError, read_image
from experiments.data.label_file import open_label
from experiments.data.orientation import is_on_its_side, read_orientation
from experiments.data.pages import check_image
from experiments.options.groups import IGNORE

Table = npt.NDArray[np.int16]


class ReadLabel(Protocol):
    """Reads a label file as class indices ``(H, W)``, 255 where ignored."""

    @property
    def first_page(self) -> bool:
        """Whether the first of several pages is read, of images too."""

    def __call__(self, path: Path) -> Array: ...


UNKNOWN = -1
ROWS = 256
"""Rows that are looked up at once."""
STRETCHES = (257, 256)
"""Factors by which programs stretch numbers of 8 bits to 16."""
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


def read_pair(
    image_path: Path, label_path: Path, read_label: ReadLabel, bits: int | None = None
) -> tuple[Array, Array]:
    """One image and its label at their own resolution.

    Returns:
        Image ``(H, W, 3)`` RGB and label ``(H, W)``: class indices, 255 where ignored.

    Raises:
        DataError: a file is wrong, an image has several pages, or the two differ in size.
    """
    if not read_label.first_page:
        check_image(image_path)
    image = read_image(image_path, bits, read_label.first_page)
    try:
        label = read_label(label_path)
    except DataError as error:  # of values that are no class; where the size is wrong too, it is the reason
        shape = open_label(label_path, True).values.shape[:2] if error.values else image.shape[:2]
        if shape == image.shape[:2]:
            raise
        values = error.values
    else:
        shape, values = label.shape, {}
    if image.shape[:2] != shape:
        raise sizes_error(image_path, label_path, image.shape[:2], shape, values)
    return image, label


def sizes_error(
    image_path: Path,
    label_path: Path,
    of_image: tuple[int, ...],
    of_label: tuple[int, ...],
    values: Mapping[str, int] | None = None,
) -> DataError:
    """The error for an image and a label of different heights and widths.

    Args:
        image_path: the image.
        label_path: the label.
        of_image: height and width.
        of_label: height and width.
        values: those of the label that are no class.
    """
    sizes = "height x width ({}x{} and {}x{})".format(*of_image, *of_label)
    hint = "make the label anew at the image's size"
    if of_image[::-1] == of_label:
        hint = "the label lies on its side: turn it, or make it anew at the image's size"
        if any(is_on_its_side(read_orientation(path)) for path in (image_path, label_path)):
            turned = label_path if is_on_its_side(read_orientation(label_path)) else image_path
            hint = f"a tag (EXIF orientation) turns {turned.name} alone: remove the tag, or turn the label's pixels"
    text = f"{image_path} and {label_path}: image and label differ in size, {sizes}; {hint}"
    if values:
        text += f"; it also holds {next(iter(values))}, which is no class"
    return DataError("sizes differ", label_path, text, values=values)


@dataclass(frozen=True)
class IndexReader:
    """Reads the labels of a published set: single-channel 8-bit files of ids; a palette's indices are ids too.

    Args:
        table: of 256 values: value -> class index, see ``make_table``.
        known: which values are classes, for messages.
        first_page: read the first of several pages.
        colours: of the classes, to recognise a palette that means other classes than its indices.
    """

    table: Table
    known: str
    first_page: bool = False
    colours: tuple[tuple[int, int, int], ...] = ()

    def __call__(self, path: Path) -> Array:
        """A label as class indices ``(H, W)``, 255 where ignored.

        Raises:
            DataError: the file is unreadable, of another kind, or holds a value that is no class.
        """
        label = open_label(path, self.first_page)
        values = label.values
        if values.ndim != 2 or label.bits > 8:
            if values.ndim == 2:
                _check_stretch(values, self.table, path)
            kind = "colours" if values.ndim == 3 else f"numbers of {label.bits} bits"
            text = (
                f"{path}: a label must be a single-channel 8-bit PNG of class indices, and holds {kind}; {self.known}"
            )
            raise DataError("label format", path, text)
        self.check(path, values)
        if label.palette is not None:
            self._check_palette(path, values, label.palette)
        return look_up(values, self.table, path, lambda value: f"value {value}", self.known)

    def check(self, path: Path, values: Array) -> None:
        """Refuse what is known to be another kind of label.

        Raises:
            DataError: the kind of label, and what to do.
        """

    def _check_palette(self, path: Path, values: Array, palette: Array) -> None:
        by_colour = {colour: index for index, colour in enumerate(self.colours)}
        used = np.unique(values)
        named = [by_colour.get(tuple(palette[value].tolist()), UNKNOWN) for value in used]
        # One difference may be an accident: black, of a tool's palette.
        if UNKNOWN not in named and int((self.table[used] != named).sum()) > 1:
            text = f"{path}: its palette has the colours of other classes than its indices; save it as an index mask"
            raise DataError(TWO_READINGS, path, text)


def look_up(values: np.ndarray, table: Table, path: Path, describe: Callable[[int], str], known: str) -> Array:
    """Class indices of ``values``, which must lie inside the table.

    Args:
        values: ``(H, W)`` whole numbers.
        table: value -> class index, -1 where it is no class.
        path: the file, for messages.
        describe: gives a value in words.
        known: which values are classes, for the message.

    Raises:
        DataError: a value is no class; its ``values`` are those of the file. Or they are ids, stretched to 16 bits.
    """
    indices = take(table, values)
    if indices.min(initial=IGNORE) < 0:
        if values.dtype == np.uint16:
            _check_stretch(values, table, path)
        unknown, counts = np.unique(values[indices < 0], return_counts=True)
        often = np.argsort(-counts, kind="stable")[:LISTED]
        listed = {describe(int(unknown[i])): int(counts[i]) for i in often}
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        text = f"{path}: {next(iter(listed))} is no class{more}; {known}"
        raise DataError("unknown value", path, text, values=listed)
    return indices.astype(np.uint8)


def _check_stretch(values: np.ndarray, table: Table, path: Path) -> None:
    """Refuse numbers of 16 bits that are known ids of 8 bits times 257, or 256."""
    present = np.unique(values)
    for factor in STRETCHES:
        ids, rest = np.divmod(present, factor)
        if not rest.any() and ids.any() and (table[ids] >= 0).all():
            shown = ", ".join(map(str, present[:3])) + ("" if len(present) <= 3 else ", ...")
            text = f"{path}: holds {shown}: ids of 8 bits, times {factor}, as programs stretch shades to 16 bits"
            raise DataError("stretched ids", path, f"{text}; divide them by {factor}, and save the mask with 8 bits")
