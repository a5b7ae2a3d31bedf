"""Label ids (0 to 33) and train ids (0 to 18, 255) of Cityscapes: told apart by their values, where these tell it."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from experiments.data.files import DataError
from experiments.data.label_file import open_label
from experiments.data.parallel import in_threads
from experiments.data.source import Sample, evenly
from experiments.options.groups import IGNORE

Counts = npt.NDArray[np.int64]
TRAINED = 19
"""Classes, and so the number of train ids."""
LOOKED_AT, CHUNK = 16, 256
"""Labels that are looked at first, and further ones where they did not tell the two kinds apart."""
VOID_VALUES, MUCH, LITTLE = 3, 0.5, 0.1
"""Read as label ids, train ids have that many values that are void, with more than this share of the pixels. Label ids
have less than this little share."""


def count_values(samples: Sequence[Sample], first_page: bool = False) -> Counts:
    """Pixels of each value ``(256,)``, of all labels, or of as many as tell the two kinds apart."""
    counts = np.zeros(IGNORE + 1, np.int64)
    paths = [sample.label for sample in samples if sample.label is not None]
    spread = evenly(paths, LOOKED_AT)
    seen = set(spread)
    others = [path for path in paths if path not in seen]
    for chunk in (spread, *(others[start : start + CHUNK] for start in range(0, len(others), CHUNK))):
        for part in in_threads(partial(_count, first_page=first_page), chunk, "labels: of which kind"):
            counts += part
        if not fit_both(counts):
            break
    return counts


def fit_both(counts: Counts) -> bool:
    """Whether labels with these pixels of each value may be of both kinds: none is 255, or above 18."""
    return bool(counts.any()) and not counts[TRAINED:].any()


def doubt(counts: Counts, label_ids: Mapping[int, int], are_train_ids: bool) -> str:
    """Why labels seem to be of the other kind than they are read as, in words; empty where they do not.

    Args:
        counts: pixels of each value.
        label_ids: label id -> train id, or 255.
        are_train_ids: they are read as train ids; otherwise, as label ids.
    """
    void = [value for value in range(TRAINED) if label_ids[value] == IGNORE and counts[value]]
    share = counts[void].sum() / max(int(counts.sum()), 1)
    seem_label_ids, seem_train_ids = share < LITTLE, share > MUCH and len(void) >= VOID_VALUES
    if not fit_both(counts) or not (seem_label_ids if are_train_ids else seem_train_ids):
        return ""
    kinds = ("label ids", "train ids") if are_train_ids else ("train ids", "label ids")
    reason = f"no value is above 18, and {100 * share:.0f} % of the pixels would be void as label ids"
    return f"labels seem to be {kinds[0]}, not {kinds[1]}: {reason}"


def _count(path: Path, first_page: bool) -> Counts:
    """Pixels of each value ``(256,)``; none of a file that is wrong, which is told when its turn comes."""
    try:
        label = open_label(path, first_page)
    except DataError:
        return np.zeros(IGNORE + 1, np.int64)
    is_label = label.values.ndim == 2 and label.bits <= 8
    return np.bincount(label.values.ravel() if is_label else [], minlength=IGNORE + 1)
