"""A look at every image and label of a data set: what is in it, and everything that is wrong with it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.data.files import DataError
from experiments.data.parallel import in_threads
from experiments.data.source import DataSource, Sample
from experiments.options.groups import IGNORE


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


def inspect(source: DataSource) -> Inspection:
    """Read every sample once, with a progress bar, and collect all problems instead of stopping at the first."""
    result = Inspection(source, problems=list(source.problems))
    seen: dict[bytes, tuple[str, Sample]] = {}
    for split, samples in source.splits.items():
        sizes: list[tuple[int, int]] = []
        pixels, duplicates = np.zeros(IGNORE + 1, np.int64), []
        for sample, facts in zip(samples, in_threads(examine, samples, f"{source.name}: {split}"), strict=True):
            if isinstance(facts, DataError):
                result.problems.append(facts)
                continue
            size, counts, digest = facts
            sizes.append(size)
            pixels += counts
            first, other = seen.setdefault(digest, (split, sample))
            if first != split:
                names = f"{sample.image or sample.name}: the same image as {other.image or other.name}"
                text = f"{names}; {split} is not independent of {first}"
                duplicates.append(DataError("in two splits", sample.image, text, stops=False))
        result.problems += duplicates
        by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
        count = len(source.classes)
        result.splits[split] = SplitReport(len(samples), tuple(by_area), pixels[:count], int(pixels[IGNORE]))
    result.unknown = _unknown_values(result.problems)
    for split in ("train", "val"):
        result.problems += _absent_classes(source, split, result.splits[split])
    return result


def examine(sample: Sample) -> tuple[tuple[int, int], npt.NDArray[np.int64], bytes] | DataError:
    """Read one sample.

    Returns:
        Height and width, the pixels of each label value ``(256,)``, and a hash of the image; or what is wrong.
    """
    try:
        image, label = sample.read()
    except DataError as error:
        return error
    digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    height, width = label.shape
    return (height, width), np.bincount(label.ravel(), minlength=IGNORE + 1), digest


def _unknown_values(problems: Sequence[DataError]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for problem in problems:
        for value, pixels in problem.values.items():
            row = rows.setdefault(value, {"value": value, "pixels": 0, "files": 0, "first": str(problem.file)})
            row["pixels"] += pixels
            row["files"] += 1
    return sorted(rows.values(), key=lambda row: -row["pixels"])


def _absent_classes(source: DataSource, split: str, report: SplitReport) -> list[DataError]:
    if not report.sizes:
        return []  # nothing could be read; there is a problem for that
    if not report.pixels.any():
        return [DataError("no labels", None, f"{split}: no image has a labelled pixel; check the labels")]
    effect = "is never learnt" if split == "train" else "gets no score"
    return [
        DataError("absent class", None, f"{split}: class {name} never occurs; it {effect}", stops=False)
        for name, pixels in zip(source.classes, report.pixels, strict=True)
        if not pixels
    ]
