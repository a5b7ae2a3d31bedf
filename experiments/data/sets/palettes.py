"""Palettes of index masks where no colours are given: whether an index means the same class in every mask.

A program that reduces colours gives each file a palette of its own, in which index 1 may be what index 0 is elsewhere.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from experiments.data.files import DataError
from experiments.data.label_file import open_label, read_palette
from experiments.data.parallel import in_threads
from experiments.data.sets.class_file import ClassList
from experiments.options.groups import IGNORE

Colour = tuple[int, int, int]
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
    # Equal palettes are looked at once: which of their indices are in use does not matter then.
    looked_at = list(distinct.values()) if len(distinct) == 1 else [m for m, p in palettes.items() if p is not None]
    first: dict[int, tuple[Colour, Path]] = {}
    shades = partial(_used_colours, first_page=first_page)
    for mask, used in zip(looked_at, in_threads(shades, looked_at, "masks: palettes"), strict=True):
        for index, colour in used.items():
            known, other = first.setdefault(index, (colour, mask))
            if known != colour and index in classes.by_id and index != IGNORE:
                text = f"{mask}: its palette gives index {index} the colour {colour}, that of {other.name} {known}"
                return DataError("two readings", mask, f"{text}, so one index may mean two classes; {HINT}")
        if _are_other_ids(used, classes):
            index, colour = next((index, colour) for index, colour in used.items() if colour[0] != index)
            text = f"{mask}: its palette shows index {index} as the grey {colour[0]}, which is an id too"
            return DataError("two readings", mask, f"{text}; {HINT}")
    return None


def _are_other_ids(used: dict[int, Colour], classes: ClassList) -> bool:
    """Whether the colours in use are greys that are all ids, and not the ids that the indices are."""
    ids = set(classes.by_id) - {IGNORE}
    greys = [colour[0] for colour in used.values() if len(set(colour)) == 1]
    return len(greys) == len(used) and set(greys) <= ids and greys != list(used)


def _used_colours(mask: Path, first_page: bool) -> dict[int, Colour]:
    """Index -> colour of what is in use; nothing of a mask that is wrong, which is told when its turn comes."""
    try:
        label = open_label(mask, first_page)
    except DataError:
        return {}
    if label.palette is None:
        return {}
    used = np.flatnonzero(np.bincount(label.values.ravel(), minlength=1))
    return {int(index): tuple(int(part) for part in label.palette[index]) for index in used}  # type: ignore[misc]
