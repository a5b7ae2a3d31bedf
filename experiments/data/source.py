"""Where the images of a data set are, before any is read: its classes, its splits, and a way to read each image with its label."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from experiments.data.files import Array, DataError
from experiments.options.groups import DataOptions
from nas_space.errors import InputError

ItemT = TypeVar("ItemT")

# Imported when they are asked for: torchvision takes its time.
FINDERS = {
    "streets": "experiments.data.streets.scenes:find_streets",
    "camvid": "experiments.data.sets.camvid:find_camvid",
    "cityscapes": "experiments.data.sets.cityscapes:find_cityscapes",
    "bdd100k": "experiments.data.sets.bdd100k:find_bdd100k",
    "folder": "experiments.data.sets.folder:find_folder",
}


@dataclass(frozen=True)
class Sample:
    """One image with its label, not read yet.

    Args:
        name: unique within its split, usable as a file name.
        image: where the image comes from; None where it is generated.
        label: where the label comes from; None where it is generated.
        read: gives image ``(H, W, 3)`` uint8 RGB and label ``(H, W)`` uint8 (class index, 255 where ignored) at their
            own resolution, which may differ from sample to sample; raises ``InputError`` for a file that is wrong.
    """

    name: str
    image: Path | None
    label: Path | None
    read: Callable[[], tuple[Array, Array]]


@dataclass(frozen=True)
class DataSource:
    """A data set that has been found, not read.

    Args:
        name: what the data set is called.
        classes: class names; a class's index is its place here.
        colours: RGB colour of each class, for pictures.
        splits: the samples of ``train``, ``val`` and, where there is one, ``test``, sorted by name.
    """

    name: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    splits: Mapping[str, Sequence[Sample]]


@dataclass(frozen=True)
class Survey:
    """A data set as far as it could be found.

    Args:
        source: the samples that have an image and a label.
        problems: everything that is wrong with folders and names, in the order it was met.
    """

    source: DataSource
    problems: tuple[DataError, ...] = ()


def open_source(options: DataOptions) -> DataSource:
    """Find the data set that ``options`` describe: lists its files, reads no pixels.

    Raises:
        InputError: an unknown name, a limit below 1, a bad size, or whatever is wrong with the folders.
    """
    found = survey(options)
    stopping = [problem for problem in found.problems if problem.stops]
    if len(stopping) > 1:
        raise InputError(f"{stopping[0]} (and {len(stopping) - 1} more: ssr-nas data check lists them all)")
    if stopping:
        raise stopping[0]
    return found.source


def survey(options: DataOptions) -> Survey:
    """As ``open_source``, but with every problem of the folders instead of the first.

    Raises:
        InputError: what leaves nothing to look at: an unknown name, a bad option, no root, a bad file of classes.
    """
    if options.name not in FINDERS:
        raise InputError(f"data.name: unknown {options.name!r}; choose from {', '.join(FINDERS)}")
    if options.limit is not None and options.limit < 1:
        raise InputError(f"data.limit: {options.limit} must be at least 1")
    if options.classes is not None and options.name != "folder":
        raise InputError(f"data.classes: {options.name} has its own classes; leave it out, or use --data.name folder")
    if options.root is not None and options.name == "streets":
        known = ", ".join(name for name in FINDERS if name != "streets")
        raise InputError(
            f"data.root: streets are generated and have no folder; leave it out, or say what is in it: --data.name {known}"
        )
    module, function = FINDERS[options.name].split(":")
    found: Survey = getattr(import_module(module), function)(options)
    return found


def evenly(items: Sequence[ItemT], limit: int | None) -> list[ItemT]:
    """At most ``limit`` items, evenly spaced (neighbours are often frames of one film); all of them where it is None."""
    count = min(limit or len(items), len(items))
    return [items[i * len(items) // count] for i in range(count)]
