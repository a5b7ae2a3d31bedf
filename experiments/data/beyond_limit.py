"""Classes that ``data.limit`` leaves out of a training, and that the other training images have."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from experiments.data.dataset import LabelCounts
from experiments.data.files import DataError
from experiments.data.label_counts import Counted, count_label
from experiments.data.parallel import in_threads
from experiments.data.source import DataSource, Sample, survey
from experiments.options.groups import DataOptions, parse_size

CHUNK = 32


class Beyond(NamedTuple):
    """Classes of the training images that the limit leaves out, by index.

    Args:
        present: with a pixel in a label's file.
        at_size: with a pixel in a label at ``data.size``.
    """

    present: frozenset[int] = frozenset()
    at_size: frozenset[int] = frozenset()


def find_beyond(source: DataSource, counts: LabelCounts, options: DataOptions) -> Beyond:
    """Look for the classes that the used training labels lack, or lose at ``data.size``, in the other ones.

    Labels are read until all of these classes are found. None is read without a limit, or if none is missing.

    Args:
        source: the data set.
        counts: what the training labels hold that are used.
        options: what the set was found by.
    """
    if options.limit is None:
        return Beyond()
    classes = np.arange(len(source.classes))
    used, used_at_size = counts.pixels[:, classes].any(0), counts.at_size[:, classes].any(0)
    if used_at_size.all():
        return Beyond()
    names = {sample.name for sample in source.splits["train"]}
    rest = [sample for sample in survey(replace(options, limit=None)).splits["train"] if sample.name not in names]
    present, at_size = (np.zeros(len(classes), bool) for _ in range(2))
    for start in range(0, len(rest), CHUNK):
        for look in _looks(rest[start : start + CHUNK], parse_size(options.size)):
            present |= look.pixels[classes] > 0
            at_size |= look.at_size[classes]
        if (used | present).all() and (~used | used_at_size | at_size).all():
            break
    return Beyond(_indices(present), _indices(at_size))


def _looks(samples: Sequence[Sample], size: tuple[int, int]) -> list[Counted]:
    looks = in_threads(partial(_look, size=size), samples, "train: classes beyond data.limit")
    return [look for look in looks if look is not None]


def _look(sample: Sample, size: tuple[int, int]) -> Counted | None:
    try:
        return count_label(sample.read()[1], size)
    except DataError:
        return None


def _indices(mask: npt.NDArray[np.bool_]) -> frozenset[int]:
    return frozenset(np.flatnonzero(mask).tolist())
