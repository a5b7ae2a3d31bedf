"""What every format is: a name, what marks it, and a way to find its classes and samples."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from experiments.data.division import divide, validation_fraction
from experiments.data.faults import unlabelled
from experiments.data.files import DataError
from experiments.data.formats.shapes import Drawing, describe_overhang, is_labelled, read_drawn
from experiments.data.formats.tree import Tree
from experiments.data.formats.values import Found
from experiments.data.sets.class_file import MOST, voc_colour
from experiments.data.source import DataSource, Sample, evenly
from experiments.options.groups import DataOptions
from nas_space.errors import InputError

BACKGROUND = "background"
BACKGROUNDS = (BACKGROUND, "_background_", "__background__")
"""Names of the class of all that is no object."""
Parts = dict[str, dict[str, tuple[Path, Drawing]]]
"""Split (empty for none) -> name -> image and its objects."""


@dataclass(frozen=True)
class LabelFormat:
    """Labels as one tool exports them.

    Args:
        name: as ``data.format`` takes it.
        title: in words, for messages.
        seen: the files of a folder that mark the format, named from its root; none where it is another one.
        find: lists classes and samples. Raises ``InputError`` where they cannot be listed.
        count: what the labels hold, where nothing names the classes; None where something always does.
    """

    name: str
    title: str
    seen: Callable[[Tree], Sequence[str]]
    find: Callable[[Tree, DataOptions], DataSource]
    count: Callable[[Tree], Found] | None = None


def refuse_options(options: DataOptions, title: str, *keys: str) -> None:
    """Refuse options of masks, and of their classes, where a format needs none.

    Raises:
        InputError: one of them is given.
    """
    for key in keys:
        if getattr(options, key) is not None:
            what = "classes" if key == "classes" else "labels"
            raise InputError(f"data.{key}: {title} have {what} of their own; leave it out")


class Classes:
    """Class names with the background first, and the index of each name.

    Args:
        names: in order. One that means the background takes its place.
        path: the file that names them, for messages.

    Raises:
        InputError: there are none, or too many.
    """

    def __init__(self, names: Iterable[str], path: Path) -> None:
        names = list(names)
        first = next((name for name in names if name.casefold() in BACKGROUNDS), BACKGROUND)
        self.names = (first, *(name for name in names if name.casefold() not in BACKGROUNDS))
        self.indices = {name: index for index, name in enumerate(self.names)}
        self.indices |= {name: 0 for name in names if name.casefold() in BACKGROUNDS}
        if len(self.names) < 2:
            raise InputError(f"{path}: names no class of objects; name at least one")
        if len(self.names) > MOST:
            raise InputError(f"{path}: {len(self.names)} classes; at most {MOST} are possible, with the background")


def name_samples(
    tree: Tree, pairs: Sequence[tuple[Path, Drawing]]
) -> tuple[dict[str, tuple[Path, Drawing]], list[DataError]]:
    """Images by name: the file's without ending, with its folders where two would have the same one."""
    stems = Counter(image.stem for image, _ in pairs)
    named: dict[str, tuple[Path, Drawing]] = {}
    problems = []
    for image, drawing in sorted(pairs, key=lambda pair: pair[0]):
        relative = image.relative_to(tree.root).with_suffix("")
        name = image.stem if stems[image.stem] == 1 else "_".join(relative.parts)
        if name in named:
            first = named[name][0]
            if first == image:
                text = f"{image}: is labelled twice, in {named[name][1].path} and {drawing.path}; keep one of them"
            else:
                text = f"{first}: {image.name} has the same name; keep one of them"
            problems.append(DataError("same name", image, text))
        else:
            named[name] = (image, drawing)
    return named, problems


def drawn_source(
    tree: Tree,
    options: DataOptions,
    classes: Classes,
    pairs: Mapping[str, Sequence[tuple[Path, Drawing]]],
    problems: Sequence[DataError],
    rules: str,
    ignored: str = "nothing",
) -> DataSource:
    """The data set of a format whose labels are outlines.

    Args:
        tree: the folder.
        options: what the set is found by.
        classes: with the background first.
        pairs: split (empty for none) -> images with their objects.
        problems: of listing them.
        rules: how labels are read, in words.
        ignored: what is ignored, in words.

    Raises:
        InputError: a single image cannot be divided, or what is found makes no splits.
    """
    fraction = validation_fraction(options)
    told = list(problems)
    parts: Parts = {}
    for split, found in pairs.items():
        parts[split], wrong = name_samples(tree, found)
        told += wrong
    drawings = [drawing for part in parts.values() for _, drawing in part.values()]
    if not any(problem.stops for problem in told) and not is_labelled(drawings):
        told.append(unlabelled(tree.root))
    if (remark := describe_overhang(drawings)) is not None:
        told.append(remark)
    divided, remarks = divide(tree.root, parts, fraction, told)
    splits = {
        split: [
            Sample(name, image, drawing.path, partial(read_drawn, image, drawing, options.first_page))
            for name, (image, drawing) in evenly(list(part.items()), options.limit)
        ]
        for split, part in divided.items()
    }
    colours = tuple(voc_colour(index) for index in range(len(classes.names)))
    return DataSource(
        "folder",
        classes.names,
        colours,
        splits,
        (*told, *remarks),
        f"{rules}; {_describe(drawings)}",
        ignored=ignored,
        cure="if they should be {name}, correct the labels",
    )


def _describe(drawings: Sequence[Drawing]) -> str:
    empty = sum(not drawing.shapes for drawing in drawings)
    holds = f"images without an object: {empty} of {len(drawings)}"
    return f"a pixel gets the object that lies over its centre: one smaller than a pixel may vanish; {holds}"
