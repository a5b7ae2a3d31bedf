"""Which classes are in the labels: as they lie in the files, at ``data.size``, and at an eighth of it.

A class without a training pixel is never learnt, and a score in which it is missing too looks right. The usual reasons:
its value is 255, which is ignored, or its marks are too small for the size.
"""

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from experiments.data.beyond_limit import find_beyond
from experiments.data.dataset import LabelCounts, SegmentationData
from experiments.data.files import Array, DataError
from experiments.data.label_counts import sampled
from experiments.data.remarks import notes
from experiments.data.source import DataSource, Sample
from experiments.options.groups import IGNORE, DataOptions, parse_size
from experiments.runs.telling import tell
from nas_space.errors import InputError

LOOKED_AT = 24
"""Labels that are read again to find a size that keeps a class."""
GROWTH = 1.25
"""From one size that is tried to the next."""
LARGEST = 65536
TOGETHER = 3.0
"""Labels in which a class and what is ignored would meet by chance, so that it says something if they never do."""


def check_classes(data: SegmentationData, options: DataOptions, strides: Iterable[int], goes_on: bool = False) -> None:
    """Tell on stderr which classes a training cannot learn, and why.

    Args:
        data: the data set, as it was read from its files; nothing is checked if it was made in another way.
        options: what it was read by.
        strides: the cell sizes of the labels that it is trained on.
        goes_on: nothing stops a run that has begun.

    Raises:
        InputError: a class has no training pixel at all, and ``data.allow_absent`` is not given.
    """
    if data.source is None or data.train_counts is None or data.val_counts is None:
        return
    beyond = find_beyond(data.source, data.train_counts, options)
    problems = absent_classes(data.source, "train", data.train_counts, options, beyond.present)
    problems += vanishing_classes(data.source, data.train_counts, options, strides, beyond.at_size)
    for split, counts in (("train", data.train_counts), ("val", data.val_counts)):
        problems += covered_classes(data.source, split, counts)
    unscored = absent_classes(data.source, "val", data.val_counts, options)
    problems += [one for one in unscored if one.kind == COVERED]
    stopping = [problem for problem in problems if problem.stops and not goes_on]
    if stopping:
        more = f" (and {len(stopping) - 1} more: ssr-nas data check lists them all)" if len(stopping) > 1 else ""
        raise InputError(f"data: {stopping[0]}{more}")
    tell(f"note: {problem}" for problem in problems)
    tell(notes([one for one in unscored if one.kind != COVERED]))


VANISHING = "vanishing class"
"""Kind of a problem: a class that no label keeps at the size of the training."""
COVERED = "covered class"
"""Kind of a remark: what should be a class is perhaps what is ignored."""


def absent_classes(
    source: DataSource,
    split: str,
    counts: LabelCounts,
    options: DataOptions,
    beyond: Collection[int] = (),
) -> list[DataError]:
    """A problem for each class without a pixel in the files of a split.

    In the training split it stops, but for ``data.allow_absent``, or where ``data.limit`` is the reason.

    Args:
        source: the data set.
        split: the split's name.
        counts: what its labels hold.
        options: what the set was found by.
        beyond: classes, by index, of training images that ``data.limit`` leaves out.
    """
    pixels = counts.pixels.sum(0)
    if not pixels[: len(source.classes)].any():
        return []  # there is another message for that
    ignored = int(pixels[IGNORE])
    problems = []
    for index, name in enumerate(source.classes):
        if pixels[index]:
            continue
        effect = "it is never learnt" if split == "train" else "it gets no score"
        limited = index in beyond or (options.limit is not None and split != "train")
        among = f" in what data.limit {options.limit} leaves" if limited else ""
        text = f"{split}: class {_named(source, index)} never occurs{among}; {effect}"
        if ignored:
            share = f"{100 * ignored / pixels.sum():.3g} % of the pixels are ignored"
            text += f"; {share} ({source.ignored}): {_cure(source, name)}"
        stops = split == "train" and not options.allow_absent and not limited
        if stops:
            text += "; correct labels or classes, or give --data.allow_absent true"
        kind = "absent class" if not ignored or split == "train" else COVERED
        problems.append(DataError(kind, None, text, stops))
    return problems


def covered_classes(source: DataSource, split: str, counts: LabelCounts) -> list[DataError]:
    """A remark for each class that never meets the ignored pixels, so that these may stand for it in other labels."""
    present = counts.pixels > 0
    files, ignored = len(present), int(present[:, IGNORE].sum())
    problems = []
    for index, name in enumerate(source.classes):
        own = int(present[:, index].sum())
        if not own or not ignored or (present[:, index] & present[:, IGNORE]).any():
            continue
        takes_turns = own + ignored == files and min(own, ignored) > 1
        if takes_turns or own * ignored >= TOGETHER * files:
            void = f"ignored pixels ({source.ignored}) in {ignored}"
            what = f"class {_named(source, index)} occurs in {_labels(own)}, {void}"
            text = f"{split}: {what} others, and never both; {_cure(source, name)}"
            problems.append(DataError(COVERED, None, text, stops=False))
    return problems


def vanishing_classes(
    source: DataSource,
    counts: LabelCounts,
    options: DataOptions,
    strides: Iterable[int],
    beyond: Collection[int] = (),
) -> list[DataError]:
    """A problem for each class whose training pixels are all lost where a label is made smaller.

    At ``data.size`` it stops a training as an absent class does; at an eighth of it, it is told.

    Args:
        source: the data set.
        counts: what the training labels hold.
        options: what the set was found by.
        strides: cell sizes of labels that are looked at, in pixels of ``data.size``.
        beyond: classes, by index, that training images which ``data.limit`` leaves out have at ``data.size``.
    """
    problems = []
    size, present = parse_size(options.size), counts.pixels > 0
    for index in range(len(source.classes)):
        holders = np.flatnonzero(present[:, index])
        for stride in sorted(strides):
            kept = counts.at_size if stride == 1 else counts.at_eighth
            if not len(holders) or kept[:, index].any():
                continue
            where = f"at data.size {options.size}"
            if stride > 1:
                where = f"where a search and a training of the encoder look, at an eighth of data.size {options.size}"
            text = f"train: class {_named(source, index)} has pixels in {_labels(len(holders))}, but none {where}"
            text += f"; it is never learnt there; {_advice(source, holders.tolist(), index, size, stride)}"
            stops = stride == 1 and not options.allow_absent and index not in beyond
            if stops:
                text += ", or give --data.allow_absent true"
            problems.append(DataError(VANISHING, None, text, stops))
    return problems


def keeping_size(labels: Sequence[Array], index: int, size: tuple[int, int], stride: int = 1) -> tuple[int, int] | None:
    """The smallest size of about the shape of ``size`` at which half of the labels, or more, keep a class.

    Args:
        labels: ``(H, W)`` uint8 each, all with the class.
        index: of the class.
        size: height and width to begin with.
        stride: cell size of the labels.
    """
    scale = 1.0
    # Where each pixel of the largest label fills a cell, nothing is lost: there is no need to look further.
    most = GROWTH * max(stride * max(old / new for old, new in zip(label.shape, size, strict=True)) for label in labels)
    while scale <= max(most, 1.0) and max(size) * scale <= LARGEST:
        height, width = (-(-round(side * scale) // 8) * 8 for side in size)
        kept = sum(bool((sampled(label, (height, width), stride) == index).any()) for label in labels)
        if 2 * kept >= len(labels):
            return height, width
        scale *= GROWTH
    return None


def _advice(source: DataSource, holders: Sequence[int], index: int, size: tuple[int, int], stride: int) -> str:
    few = holders[:: -(-len(holders) // LOOKED_AT)]
    samples: Sequence[Sample] = source.splits["train"]
    if samples[few[0]].label is None:
        return "give a larger --data.size"  # what is generated is drawn anew at each size
    labels = [samples[number].read()[1] for number in few]
    best = keeping_size(labels, index, size, stride)
    if best is None:
        return "no size keeps it: draw larger marks"
    larger = any(best[0] > label.shape[0] or best[1] > label.shape[1] for label in labels)
    hint = " (larger than the labels: larger marks would do as well)" if larger else ""
    return f"--data.size {best[0]}x{best[1]} keeps it{hint}"


def _named(source: DataSource, index: int) -> str:
    name = source.classes[index]
    return f"{name} ({source.values[index]})" if source.values else name


def _labels(count: int) -> str:
    return f"{count} label{'s' * (count != 1)}"


def _cure(source: DataSource, name: str) -> str:
    return source.cure.format(name=name) if source.cure else f"if they should be {name}, correct the labels"
