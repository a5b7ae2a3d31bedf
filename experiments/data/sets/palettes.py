"""Palettes of index masks whose colours are not those of the classes: whether an index means one class in every mask.

A program that reduces colours gives each file a palette of its own, in which index 1 may be what index 0 is elsewhere.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from experiments.data.files import TWO_READINGS, Array, DataError
from experiments.data.label_file import open_label, read_palette
from experiments.data.parallel import in_threads
from experiments.data.source import Sample
from experiments.options.groups import IGNORE

Colour = tuple[int, int, int]
SEVERAL = 2
"""Indices that are shown as other ids."""
CURE = "save ids as grey values; or, if the indices are the ids all the same, "


def palette_problems(
    ids: Collection[int], splits: Mapping[str, Sequence[Sample]], first_page: bool = False
) -> list[DataError]:
    """``palette_problem`` of the labels of a published set, in a list."""
    labels = [sample.label for samples in splits.values() for sample in samples if sample.label is not None]
    cure = f"{CURE}give --data.name folder with --data.labels index"
    problem = palette_problem(ids, labels, first_page, cure)
    return [problem] if problem else []


def palette_problem(
    ids: Collection[int], masks: Sequence[Path], first_page: bool, cure: str = f"{CURE}give --data.labels index"
) -> DataError | None:
    """What speaks against reading palette indices as ids; None where nothing does.

    Args:
        ids: of the classes, and of what is ignored.
        masks: of all splits.
        first_page: read the first of several pages.
        cure: what to do.
    """
    ids = set(ids) - {IGNORE}
    palettes = dict(zip(masks, in_threads(read_palette, masks, "masks: palettes"), strict=True))
    distinct = {palette.tobytes(): palette for palette in palettes.values() if palette is not None}
    if len(distinct) == 1 and not any(_shows_other_ids(palette, ids) for palette in distinct.values()):
        return None  # whatever indices are in use
    with_palette = [mask for mask, palette in palettes.items() if palette is not None]
    first: dict[int, tuple[Colour, Path]] = {}
    shades = partial(_used_colours, first_page=first_page)
    for mask, used in zip(with_palette, in_threads(shades, with_palette, "masks: palettes"), strict=True):
        for index in used.keys() & ids:
            colour, (known, other) = used[index], first.setdefault(index, (used[index], mask))
            if known != colour:
                text = f"{mask}: its palette gives index {index} the colour {colour}, that of {other.name} {known}"
                return DataError(TWO_READINGS, mask, f"{text}, so one index may mean two classes; {cure}")
    greys = {index: colour[0] for index, (colour, _) in first.items() if len(set(colour)) == 1}
    others = [index for index, grey in greys.items() if grey != index]
    # One difference may be an accident: black, of a tool's palette.
    if len(greys) == len(first) and set(greys.values()) <= ids and len(others) >= SEVERAL:
        mask = first[others[0]][1]
        text = f"{mask}: its palette shows index {others[0]} as the grey {greys[others[0]]}, which is an id too"
        return DataError(TWO_READINGS, mask, f"{text}; {cure}")
    return None


def _shows_other_ids(palette: Array, ids: Collection[int]) -> bool:
    entries = {index: _colour(palette[index]) for index in ids if index < len(palette)}
    greys = {index: colour[0] for index, colour in entries.items() if len(set(colour)) == 1}
    return sum(grey != index and grey in ids for index, grey in greys.items()) >= SEVERAL


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
