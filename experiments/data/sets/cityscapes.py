"""Cityscapes (Cordts et al., 2016, arXiv:1604.01685): fine annotations in the official folders, 19 classes.

Names, ids, train ids and colours come from torchvision's data set class. Its listing is not used: it fails on a file
beside the cities' folders, and it unpacks archives into the user's folder.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torchvision.datasets import Cityscapes

from experiments.data.files import TWO_READINGS, Array, DataError
from experiments.data.labels import IndexReader, make_table
from experiments.data.listing import Folder, find_splits, root_folder
from experiments.data.sets.label_kinds import count_values, doubt, fit_both
from experiments.data.sets.palettes import palette_problems
from experiments.data.source import DataSource, Sample
from experiments.options.groups import IGNORE, DataOptions

_TRAINED = sorted((kind for kind in Cityscapes.classes if 0 <= kind.train_id < IGNORE), key=lambda kind: kind.train_id)
CLASSES: tuple[str, ...] = tuple(label.name for label in _TRAINED)
COLOURS: tuple[tuple[int, int, int], ...] = tuple(label.color for label in _TRAINED)

_IGNORED = {label.id: IGNORE for label in Cityscapes.classes if label.id >= 0}
VALUES = _IGNORED | {label.id: label.train_id for label in _TRAINED} | {IGNORE: IGNORE}
"""Value in ``*_labelIds.png`` -> train id; what is not evaluated is ignored."""
TRAIN_IDS = {**{index: index for index in range(len(CLASSES))}, IGNORE: IGNORE}
IDS, TRAIN, COLOUR = "_gtFine_labelIds", "_gtFine_labelTrainIds", "_gtFine_color"
"""How the three kinds of label files end."""
LAYOUT = "data.root (or CITYSCAPES_DATASET) must hold unpacked leftImg8bit/ and gtFine/, with train/CITY/ and val/CITY/"
RENAME = f"rename such files to *{TRAIN}.png, or copy the official *{IDS}.png"
ALL_THE_SAME = "or, if they are what they are named all the same, give --data.name folder with a file of classes"


@dataclass(frozen=True)
class LabelIdReader(IndexReader):
    """Reads ``*_gtFine_labelIds.png``, and recognises train ids: 255 never stands in the official label ids."""

    def check(self, path: Path, values: Array) -> None:
        present = np.unique(values)
        if present[-1:] == IGNORE and not ((present >= len(CLASSES)) & (present < IGNORE)).any():
            raise _train_ids(path, "255 never stands in the official label ids, and no value from 19 to 33 does here")


def find_cityscapes(options: DataOptions) -> DataSource:
    """The splits in ``data.root``, or in ``$CITYSCAPES_DATASET``: the folder that holds ``leftImg8bit`` and ``gtFine``.

    Labels are the official ids; a split that has train ids alone is read by them, with a remark. The labels of the
    official test split are withheld, so it is no split here.

    Raises:
        InputError: no folder is given.
    """
    root = root_folder(options, "leftImg8bit/ and gtFine/", "CITYSCAPES_DATASET")
    splits: dict[str, list[Sample]] = {}
    problems: list[DataError] = []
    told: list[str] = []
    for split in ("train", "val"):
        images = Folder(root / "leftImg8bit" / split, (".png",), "_leftImg8bit", nested=True)
        place = root / "gtFine" / split
        tail = TRAIN if _has(place, TRAIN) and not _has(place, IDS) else IDS
        labels = Folder(place, (".png",), tail, nested=True)
        found, wrong = find_splits({split: (images, labels)}, _reader(tail, options.first_page), options.limit, LAYOUT)
        splits |= found
        if tail == TRAIN:
            text = f"{place}: holds no *{IDS}.png; labels are read from *{TRAIN}.png, by train ids"
            problems.append(DataError("train ids", place, text, stops=False))
            told.append(f"labels of {split} are read by train ids (*{TRAIN}.png)")
        elif _has(place, COLOUR) and not _has(place, IDS):
            hint = "the colours of some classes are equal; copy the label ids, or make them from the polygons"
            wrong = [DataError("label format", place, f"{place}: holds *{COLOUR}.png and no *{IDS}.png; {hint}")]
        problems += wrong
        problems += palette_problems(TRAIN_IDS if tail == TRAIN else VALUES, found, options.first_page)
        counts = count_values(found[split], options.first_page)
        if reason := doubt(counts, VALUES, tail == TRAIN):
            hint = RENAME if tail == IDS else f"rename such files to *{IDS}.png"
            problems.append(DataError(TWO_READINGS, place, f"{place}: {reason}; {hint}; {ALL_THE_SAME}"))
        elif tail == IDS and fit_both(counts):
            text = "are read as label ids, as they are named; train ids would fit too, for none is above 18"
            told.append(f"labels of {split} {text}")
    return DataSource(options.name, CLASSES, COLOURS, splits, tuple(problems), "; ".join(told))


def _has(place: Path, tail: str) -> bool:
    return any(not path.name.startswith(".") for path in place.glob(f"*/*{tail}.png"))


def _reader(tail: str, first_page: bool) -> IndexReader:
    if tail == TRAIN:
        known = f"labels are train ids (*{TRAIN}.png), 0 to {len(CLASSES) - 1}, {IGNORE} is ignored"
        return IndexReader(make_table(TRAIN_IDS, 256), known, first_page, COLOURS)
    known = f"labels are the official ids (*{IDS}.png), 0 to 33"
    return LabelIdReader(make_table(VALUES, 256), known, first_page, COLOURS)


def _train_ids(path: Path, reason: str) -> DataError:
    return DataError("label kind", path, f"{path}: holds train ids, not label ids: {reason}; {RENAME}")
