"""Cityscapes (Cordts et al., 2016, arXiv:1604.01685): fine annotations in the official folders, 19 classes.

Names, ids, train ids and colours come from torchvision's data set class. Its listing is not used: it fails on a file
beside the cities' folders, and it unpacks archives into the user's folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torchvision.datasets import Cityscapes

from experiments.data.files import TWO_READINGS, Array, DataError
from experiments.data.label_file import open_label
from experiments.data.labels import IndexReader, make_table
from experiments.data.listing import Folder, find_splits, root_folder
from experiments.data.parallel import in_threads
from experiments.data.sets.palettes import palette_problems
from experiments.data.source import DataSource, Sample, evenly
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
LOOKED_AT, CHUNK = 16, 256
"""Labels that are looked at to tell label ids and train ids apart, and further ones where they did not tell."""
RENAME = f"rename such files to *{TRAIN}.png, or copy the official *{IDS}.png"
VOID_VALUES, VOID_SHARE = 3, 0.5
"""Train ids under the name of label ids: that many of their values, and more than this share of pixels, are void."""


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
        if tail == IDS and not any(problem.stops for problem in wrong):
            counts = count_values(found[split], options.first_page)
            doubts = _find_train_ids(found[split], counts)
            problems += doubts
            if not doubts and fits_both_kinds(counts):
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


def count_values(samples: Sequence[Sample], first_page: bool = False) -> npt.NDArray[np.int64]:
    """Pixels of each value ``(256,)``, of all labels, or of as many as tell label ids and train ids apart."""
    counts = np.zeros(IGNORE + 1, np.int64)
    paths = [sample.label for sample in samples if sample.label is not None]
    spread = evenly(paths, LOOKED_AT)  # the first look
    seen = set(spread)
    others = [path for path in paths if path not in seen]
    for chunk in (spread, *(others[start : start + CHUNK] for start in range(0, len(others), CHUNK))):
        for part in in_threads(partial(_count, first_page=first_page), chunk, "labels: of which kind"):
            counts += part
        if not fits_both_kinds(counts):
            break
    return counts


def fits_both_kinds(counts: npt.NDArray[np.int64]) -> bool:
    """Whether labels with these pixels of each value may be label ids and train ids: none is 255, or above 18."""
    return bool(counts.any()) and not counts[len(CLASSES) :].any()


def _find_train_ids(samples: Sequence[Sample], counts: npt.NDArray[np.int64]) -> list[DataError]:
    """A problem where what is named label ids is more likely train ids: much of it would be void."""
    void = [value for value in range(len(CLASSES)) if VALUES[value] == IGNORE and counts[value]]
    share = counts[void].sum() / max(int(counts.sum()), 1)
    path = next((sample.label for sample in samples if sample.label is not None), None)
    if path is None or not fits_both_kinds(counts) or len(void) < VOID_VALUES or share <= VOID_SHARE:
        return []
    reason = f"no label has a value from 19 to 33, and {100 * share:.0f} % of the pixels would be void"
    other = "if they are label ids all the same, give --data.name folder with a file of classes"
    text = f"{path.parent.parent}: *{IDS}.png seem to hold train ids, not label ids: {reason}; {RENAME}; {other}"
    return [DataError(TWO_READINGS, path, text)]


def _count(path: Path, first_page: bool) -> npt.NDArray[np.int64]:
    """Pixels of each value ``(256,)``; none of a file that is wrong, which is told when its turn comes."""
    try:
        label = open_label(path, first_page)
    except DataError:
        return np.zeros(IGNORE + 1, np.int64)
    is_label = label.values.ndim == 2 and label.bits <= 8
    return np.bincount(label.values.ravel() if is_label else [], minlength=IGNORE + 1)


def _train_ids(path: Path, reason: str) -> DataError:
    return DataError("label kind", path, f"{path}: holds train ids, not label ids: {reason}; {RENAME}")
