"""What labels hold where nothing names their classes: counted, for a file of classes that the user completes."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.data.files import DataError
from experiments.data.label_file import LabelPixels, open_label
from experiments.data.parallel import in_threads
from experiments.data.sets.class_file import Colour, voc_colour
from experiments.data.sets.reading import colour_codes
from experiments.data.sets.two_values import APART, NEAR, SHARE
from experiments.options.groups import IGNORE
from experiments.runs.tables import counted
from nas_space.errors import InputError

MOST = 255
"""More values than classes are possible are no classes, but smoothed or compressed masks."""
Counts = dict[int, int]
"""Value, or code of a colour -> how often."""


@dataclass
class Value:
    """One value of the labels.

    Args:
        id: the value of an index mask, or the class index in a text file; None in colour masks.
        colour: in colour masks, or in the palettes of index masks.
        amount: pixels, or objects.
        files: in how many files it occurs.
        first: the first of them.
    """

    id: int | None
    colour: Colour | None
    amount: int
    files: int
    first: Path


@dataclass(frozen=True)
class Found:
    """All values, in order.

    Args:
        values: at least two.
        unit: what is counted, ``pixels`` or ``objects``.
        note: what else has to be given, in words; empty if nothing.
    """

    values: Sequence[Value]
    unit: str
    note: str = ""

    def as_csv(self) -> str:
        """A file of classes whose names are left empty, so that it is refused until they are given."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["name", "id", "colour", "ignore"])
        # The value 255 is ignored unless the file says otherwise; beside 0 alone it is the other class.
        ids = [value.id for value in self.values]
        for value in self.values:
            colour = "" if value.colour is None else " ".join(map(str, value.colour))
            number = "" if value.id is None else value.id
            writer.writerow(["", number, colour, "no" if ids == [0, IGNORE] else ""])
        return text.getvalue()


def count_masks(masks: Sequence[Path]) -> Found:
    """Values of index masks, or colours of colour masks.

    Raises:
        InputError: a mask cannot be read, masks are of both kinds, or there are too many values, or one alone.
    """
    if not masks:
        raise InputError("no masks are found; give the folder that holds images and masks")
    looks = list(zip(masks, in_threads(_look, masks, "masks: values"), strict=True))
    are_colours = any(is_colour for _, (is_colour, _, _) in looks)
    values: dict[int, Value] = {}
    palettes: dict[int, set[int]] = {}
    for path, (_, ids, shown) in looks:
        counts = shown if are_colours else ids
        if counts is None:
            text = f"{path}: holds ids, while other masks hold colours; save all masks in one way"
            raise DataError("label format", path, text)
        for value, amount in counts.items():
            entry = values.setdefault(value, Value(None if are_colours else value, None, 0, 0, path))
            entry.amount += amount
            entry.files += 1
    for _, (_, ids, shown) in looks if not are_colours else ():
        for value, code in zip(ids or (), shown or (), strict=False):
            palettes.setdefault(value, set()).add(code)
    for value, entry in values.items():
        codes = {value} if are_colours else palettes.get(value, set())
        entry.colour = _colour(next(iter(codes))) if len(codes) == 1 else None
    return _checked(masks[0].parent, [values[key] for key in sorted(values)], are_colours)


def count_objects(counts: Mapping[int, int], folder: Path) -> Found:
    """Class indices of objects, in text files of the folder."""
    values = [Value(index, voc_colour(index + 1), count, 0, folder) for index, count in counts.items()]
    return Found(values, "objects")


def _checked(folder: Path, values: list[Value], are_colours: bool) -> Found:
    pixels = sum(value.amount for value in values)
    ids = [value.id for value in values if value.id is not None]
    ends = sum(value.amount for value in values if value.id is not None and not NEAR < value.id < IGNORE - NEAR)
    is_grey = not are_colours and max(ids, default=0) <= IGNORE
    # Dark and bright areas, and a few pixels between them.
    if is_grey and len(ids) > MOST // 8 and ids[-1] - ids[0] >= APART and ends >= SHARE * pixels:
        two = [Value(end, None, 0, 0, folder) for end in (0, IGNORE)]
        for value in values:
            assert value.id is not None
            two[value.id > IGNORE // 2].amount += value.amount
        return Found(two, "pixels", "masks have soft edges: give --data.threshold 128 with this file")
    if len(values) > MOST:
        hint = "masks that were smoothed or compressed: save them as PNG without smoothing"
        raise InputError(f"{folder}: masks hold {len(values)} different values, more than classes are possible; {hint}")
    if len(values) < 2:
        raise InputError(f"{folder}: masks hold one value alone; nothing is labelled: label some images")
    if not are_colours and len({value.colour for value in values}) < len(values):
        for value in values:
            value.colour = None
    return Found(values, "pixels")


def _look(path: Path) -> tuple[bool, Counts | None, Counts | None]:
    """Whether a mask holds colours, and how often each id and each colour occurs; None where it has no such."""
    mask = open_label(path)
    if mask.values.ndim == 3:
        codes = _counted(colour_codes(mask.values))
        is_grey = all(code == (code >> 16) * 0x010101 for code in codes)
        return not is_grey, {code >> 16: count for code, count in codes.items()} if is_grey else None, codes
    ids = _counted(mask.values)
    return False, ids, _shown(mask, ids)


def _shown(mask: LabelPixels, ids: Counts) -> Counts | None:
    """The colours of ids, in their order; None where there is no palette."""
    if mask.palette is None:
        return None
    codes = colour_codes(mask.palette)
    return {int(codes[value]): count for value, count in ids.items()}


def _counted(values: np.ndarray) -> Counts:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _colour(code: int) -> Colour:
    return code >> 16, code >> 8 & 255, code & 255


def table_of(found: Found) -> Iterable[str]:
    """A line for each value."""
    total = sum(value.amount for value in found.values)
    for value in found.values:
        name = " ".join(str(part) for part in (value.id, value.colour) if part is not None)
        where = f" in {counted(value.files, 'mask')}, first {value.first}" if value.files else ""
        yield f"{name}: {100 * value.amount / max(total, 1):.2f} % of the {found.unit}{where}"
