"""Palettes of index masks where no colours are given: whether an index means the same class in every mask.

A program that reduces colours gives each file a palette of its own, in which index 1 may be what index 0 is elsewhere.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from experiments.data.files import Array, DataError
from experiments.data.label_file import open_label, read_palette
from experiments.data.parallel import in_threads
from experiments.data.sets.class_file import ClassList
from experiments.options.groups import IGNORE

Colour = tuple[int, int, int]
SEVERAL = 2
"""Indices that are shown as other ids."""
HINT = "if the indices are the ids all the same, give --data.labels index; else save ids as grey values"


def palette_problem(classes: ClassList, masks: Sequence[Path], first_page: bool) -> DataError | None:
    """What speaks against reading palette indices as ids; None where nothing does.

    Args:
        classes: the file of classes, with ids alone.
        masks: of all splits.
        first_page: read the first of several pages.
    """
    palettes = dict(zip(masks, in_threads(read_palette, masks, "masks: palettes"), strict=True))
    distinct = {palette.tobytes(): mask for mask, palette in palettes.items() if palette is not None}
    with_palette = [mask for mask, palette in palettes.items() if palette is not None]
    ids = set(classes.by_id) - {IGNORE}
    first: dict[int, tuple[Colour, Path]] = {}
    if len(distinct) == 1:  # which indices are in use does not matter
        mask, palette = with_palette[0], palettes[with_palette[0]]
        assert palette is not None
        first = {index: (_colour(palette[index]), mask) for index in sorted(ids) if index < len(palette)}
        with_palette = []
    shades = partial(_used_colours, first_page=first_page)
    for mask, used in zip(with_palette, in_threads(shades, with_palette, "masks: palettes"), strict=True):
        for index in used.keys() & ids:
            colour, (known, other) = used[index], first.setdefault(index, (used[index], mask))
            if known != colour:
                text = f"{mask}: its palette gives index {index} the colour {colour}, that of {other.name} {known}"
                return DataError("two readings", mask, f"{text}, so one index may mean two classes; {HINT}")
    greys = {index: colour[0] for index, (colour, _) in first.items() if len(set(colour)) == 1}
    others = [index for index, grey in greys.items() if grey != index]
    # One difference may be an accident: black, of a tool's palette.
    if len(greys) == len(first) and set(greys.values()) <= ids and len(others) >= SEVERAL:
        mask = first[others[0]][1]
        text = f"{mask}: its palette shows index {others[0]} as the grey {greys[others[0]]}, which is an id too"
        return DataError("two readings", mask, f"{text}; {HINT}")
    return None


def _colour(entry: Array) -> Colour:
    red, green, blue = entry.tolist()
    return red, green, blue


def _used_colours(mask: Path, first_page: bool) -> dict[int, Colour]:
    """Index -> colour of what is in use; nothing of a mask that is wrong, which is told when its turn comes."""
    try:
        label = open_label(mask, first_page)
    except DataError:
        return {}
    if label.palette is None:
        return {}
    used = np.flatnonzero(np.bincount(label.values.ravel(), minlength=1))
    return {int(index): _colour(label.palette[index]) for index in used}
