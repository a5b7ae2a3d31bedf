"""A look at every image and label of a data set: what is in it, and everything that is wrong with it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.data.beyond_limit import find_beyond
from experiments.data.dataset import LabelCounts
from experiments.data.faults import unlabelled
from experiments.data.files import DataError
from experiments.data.label_counts import EIGHTH, Counted, count_label, stack
from experiments.data.parallel import in_threads
from experiments.data.presence import absent_classes, covered_classes, vanishing_classes
from experiments.data.source import DataSource, Sample
from experiments.options.groups import IGNORE, DataOptions, parse_size


@dataclass(frozen=True)
class SplitReport:
    """Facts of one split.

    Args:
        images: samples with an image and a label.
        sizes: height and width of every usable sample, by area.
        pixels: ``(classes,)`` int64, labelled pixels of each class.
        ignored: pixels that are ignored.
    """

    images: int
    sizes: tuple[tuple[int, int], ...]
    pixels: npt.NDArray[np.int64]
    ignored: int

    @property
    def frequencies(self) -> npt.NDArray[np.float64]:
        """Share of each class among the labelled pixels; 0 if there are none."""
        return self.pixels / max(int(self.pixels.sum()), 1)

    @property
    def ignored_share(self) -> float:
        return self.ignored / max(int(self.pixels.sum()) + self.ignored, 1)


@dataclass
class Inspection:
    """What is in a data set.

    Args:
        source: the data set.
        splits: facts of each split.
        problems: what stops training, and remarks; unknown label values are one problem per file.
        unknown: label values that are no class, most frequent first: ``value``, ``pixels``, ``files``, ``first`` file.
    """

    source: DataSource
    splits: dict[str, SplitReport] = field(default_factory=dict)
    problems: list[DataError] = field(default_factory=list)
    unknown: list[dict[str, Any]] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        return not any(problem.stops for problem in self.problems)


def inspect(source: DataSource, options: DataOptions | None = None) -> Inspection:
    """Read every sample once, with a progress bar, and collect all problems instead of stopping at the first.

    Where it is undecided how labels are read, nothing is read: what they seem to hold would be wrong.

    Args:
        source: the data set.
        options: what it will be trained with; the defaults if absent.
    """
    options = options or DataOptions()
    look = partial(examine, size=parse_size(options.size))
    result = Inspection(source, problems=list(source.problems))
    if source.is_undecided:
        nothing = np.zeros(len(source.classes), np.int64)
        result.splits = {split: SplitReport(len(few), (), nothing, 0) for split, few in source.splits.items()}
        return result
    seen: dict[bytes, tuple[str, Sample]] = {}
    counts_of: dict[str, LabelCounts] = {}
    usable: dict[str, list[Sample]] = {}
    for split, samples in source.splits.items():
        sizes: list[tuple[int, int]] = []
        readable: list[Sample] = []
        found: list[Counted] = []
        duplicates: list[DataError] = []
        for sample, facts in zip(samples, in_threads(look, samples, f"{source.name}: {split}"), strict=True):
            if isinstance(facts, DataError):
                result.problems.append(facts)
                continue
            size, counts, digest = facts
            sizes.append(size)
            readable.append(sample)
            found.append(counts)
            first, other = seen.setdefault(digest, (split, sample))
            if first != split:
                names = f"{sample.image or sample.name}: the same image as {other.image or other.name}"
                text = f"{names}; {split} is not independent of {first}"
                duplicates.append(DataError("in two splits", sample.image, text, stops=False))
        result.problems += duplicates
        by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
        count, counts_of[split] = len(source.classes), stack(found)
        pixels = counts_of[split].pixels.sum(0)
        result.splits[split] = SplitReport(len(samples), tuple(by_area), pixels[:count], int(pixels[IGNORE]))
        usable[split] = readable
    result.unknown = _unknown_values(result.problems)
    beyond = find_beyond(source, counts_of["train"], options)
    result.problems += _without_objects(result, options)
    for split in ("train", "val"):
        if usable[split] and not result.splits[split].pixels.any():
            text = f"{split}: no image has a labelled pixel; check the labels"
            result.problems.append(DataError("no labels", None, text))
        result.problems += absent_classes(
            source, split, counts_of[split], options, beyond.present if split == "train" else ()
        )
        result.problems += covered_classes(source, split, counts_of[split])
    readable_source = replace(source, splits=usable)
    result.problems += vanishing_classes(readable_source, counts_of["train"], options, (1, EIGHTH), beyond.at_size)
    return result


def examine(sample: Sample, size: tuple[int, int]) -> tuple[tuple[int, int], Counted, bytes] | DataError:
    """Read one sample.

    Args:
        sample: an image and its label.
        size: height and width that they would be resized to.

    Returns:
        Height and width, what the label holds, and a hash of the image; or what is wrong.
    """
    try:
        image, label = sample.read()
    except DataError as error:
        return error
    digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    height, width = label.shape
    return (height, width), count_label(label, size), digest


def _without_objects(result: Inspection, options: DataOptions) -> list[DataError]:
    """The problem of a folder whose labels hold one class alone, as masks do in which nothing is drawn."""
    whole = np.sum([[*report.pixels, report.ignored] for report in result.splits.values()], axis=0)
    is_told = any(problem.stops for problem in result.problems)
    if is_told or options.root is None or result.source.name != "folder" or options.limit is not None:
        return []
    return [unlabelled(Path(options.root))] if np.count_nonzero(whole) == 1 else []


def _unknown_values(problems: Sequence[DataError]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for problem in problems:
        for value, pixels in problem.values.items():
            row = rows.setdefault(value, {"value": value, "pixels": 0, "files": 0, "first": str(problem.file)})
            row["pixels"] += pixels
            row["files"] += 1
    return sorted(rows.values(), key=lambda row: -row["pixels"])
