"""A data set before its samples are read: classes, splits, and a way to read each image with its label."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeVar, cast

from experiments.data.files import TWO_READINGS, Array, DataError
from experiments.data.image_bits import find_bits, has_deep
from experiments.data.orientation import find_turned
from experiments.options.groups import DataOptions
from nas_space.errors import InputError

ItemT = TypeVar("ItemT")

FINDERS = {
    "streets": "streets.scenes",
    **{key: f"sets.{key}" for key in ("camvid", "cityscapes", "bdd100k")},
    "folder": "formats.detection",
}
"""Modules that hold the functions ``find_NAME``; imported when they are needed, for torchvision is slow to import."""


@dataclass(frozen=True)
class Sample:
    """One image with its label, not read yet.

    Args:
        name: unique within its split, usable as a file name.
        image: the image's file; None if it is generated.
        label: the label's file; None if it is generated.
        read: gives image ``(H, W, 3)`` uint8 RGB and label ``(H, W)`` uint8 (class index, 255 where ignored). Samples
            may differ in resolution. Raises ``InputError`` for a file that is wrong.
    """

    name: str
    image: Path | None
    label: Path | None
    read: Callable[[], tuple[Array, Array]]


@dataclass(frozen=True)
class DataSource:
    """A data set whose files are listed and not read.

    Args:
        name: of the data set.
        classes: class names; a class's index is its place here.
        colours: RGB colour of each class, for pictures.
        splits: the samples of ``train``, ``val`` and perhaps ``test``, sorted by name.
        problems: everything that is wrong with folders and names.
        reading: how labels are read, in words; empty where only one way is possible.
        image_bits: bits of a sample in image files of 16 bits, given or found; None where there are no such files.
        image_reading: how these are read, in words; empty where all 16 bits count, or the options say it.
        values: what each class is in the label files, in words; empty if that is not told.
        ignored: what is ignored in the label files, in words.
        cure: what to do if the pixels that are ignored should be class ``{name}``; empty if that is not told.
    """

    name: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    splits: Mapping[str, Sequence[Sample]]
    problems: tuple[DataError, ...] = ()
    reading: str = ""
    image_bits: int | None = None
    image_reading: str = ""
    values: tuple[str, ...] = ()
    ignored: str = "255, or another value that is no class"
    cure: str = ""

    @property
    def is_undecided(self) -> bool:
        """Whether nothing says which of two ways to read the labels counts, so that their values say nothing."""
        return any(problem.stops and problem.kind == TWO_READINGS for problem in self.problems)


def open_source(options: DataOptions) -> DataSource:
    """Find the data set that ``options`` describe: list its files, and find out how they are to be read.

    Raises:
        InputError: an unknown name, a limit below 1, a bad size, or whatever is wrong with the folders.
    """
    source = survey(options)
    stopping = [problem for problem in source.problems if problem.stops]
    if len(stopping) > 1:
        raise InputError(f"{stopping[0]} (and {len(stopping) - 1} more: ssr-nas data check lists them all)")
    if stopping:
        raise stopping[0]
    return source


def survey(options: DataOptions) -> DataSource:
    """Like ``open_source``, but problems of the folders are listed in the result instead of raised.

    Raises:
        InputError: nothing can be listed: an unknown name, a bad option, no root, a bad file of classes.
    """
    if options.name not in FINDERS:
        raise InputError(f"data.name: unknown {options.name!r}; choose from {', '.join(FINDERS)}")
    if options.limit is not None and options.limit < 1:
        raise InputError(f"data.limit: {options.limit} must be at least 1")
    if options.classes is not None and options.name != "folder":
        raise InputError(f"data.classes: {options.name} has its own classes; leave it out, or use --data.name folder")
    for key in ("format", "labels", "threshold"):
        if getattr(options, key) is not None and options.name != "folder":
            raise InputError(
                f"data.{key}: {options.name} has labels of its own; leave it out, or use --data.name folder"
            )
    if options.root is not None and options.name == "streets":
        names = ", ".join(name for name in FINDERS if name != "streets")
        hint = f"leave it out, or say what is in it: --data.name {names}"
        raise InputError(f"data.root: streets are generated and have no folder; {hint}")
    if options.image_bits is not None and not 8 <= options.image_bits <= 16:
        raise InputError(f"data.image_bits: {options.image_bits} must be from 8 to 16")
    source = finder(options.name)(options)
    samples = [sample for samples in source.splits.values() for sample in samples]
    pairs = [(one.image, one.label) for one in samples if one.image is not None and one.label is not None]
    source = replace(source, problems=(*source.problems, *find_turned(pairs)))
    bits, words = options.image_bits, ""
    if bits is None:
        files = [sample.image for sample in samples if sample.image is not None]
        if options.limit is not None and has_deep(files):
            # All images, whatever the limit: another command may use other ones, and must read them alike.
            whole = finder(options.name)(replace(options, limit=None)).splits.values()
            files = [sample.image for part in whole for sample in part if sample.image is not None]
        bits, words = find_bits(files, options.first_page)
    return source if bits is None else replace(_with_bits(source, bits), image_reading=words)


def _with_bits(source: DataSource, bits: int) -> DataSource:
    """The source whose image files of 16 bits hold so many."""

    def told(sample: Sample) -> Sample:
        return (
            sample
            if sample.image is None
            else replace(sample, read=partial(cast(Callable[..., tuple[Array, Array]], sample.read), bits=bits))
        )

    splits = {split: [told(sample) for sample in samples] for split, samples in source.splits.items()}
    return replace(source, splits=splits, image_bits=bits)


def finder(name: str) -> Callable[[DataOptions], DataSource]:
    """The function that lists the data set of this name."""
    module = import_module(f"experiments.data.{FINDERS[name]}")
    find: Callable[[DataOptions], DataSource] = getattr(module, f"find_{name}")
    return find


def evenly(items: Sequence[ItemT], limit: int | None) -> list[ItemT]:
    """At most ``limit`` items, evenly spaced, for neighbours are often frames of one film; all items if it is None."""
    count = min(limit or len(items), len(items))
    return [items[i * len(items) // count] for i in range(count)]
