"""Semantic masks as Roboflow exports them: ``NAME_mask.png`` beside ``NAME.jpg``, and ``_classes.csv`` in each folder.

A pixel's value is that of the column ``Pixel Value``; its class stands in the column ``Class``. Every image has a mask.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from experiments.data.faults import absent, broken, differing, lacking, nameless
from experiments.data.files import DataError, read_bytes
from experiments.data.formats.label_format import LabelFormat, refuse_options
from experiments.data.formats.tree import Tree
from experiments.data.listing import IMAGES, Folder, match
from experiments.data.sets.class_file import OF_ROBOFLOW, ClassList, Entry, check_entries
from experiments.data.sets.folder import Pairs, mask_source
from experiments.data.sets.masks import MASKS
from experiments.data.source import DataSource
from experiments.options.groups import DataOptions
from nas_space.errors import InputError

TITLE = "Roboflow masks"
FILE, TAIL = OF_ROBOFLOW, "_mask"
VALUE, NAME = "pixel value", "class"
LAYOUT = f"a folder must hold {FILE} and NAME{TAIL}.png beside each image"


def seen(tree: Tree) -> list[str]:
    """The files of classes, where a mask lies beside an image."""
    images = set(tree.images)
    is_labelled = any(_mask_of(image) in images for image in tree.images)
    return [tree.name_of(path) for path in _files(tree)] if is_labelled else []


def find(tree: Tree, options: DataOptions) -> DataSource:
    """The data set.

    Raises:
        InputError: a file of classes is wrong, a folder with masks has none, or those of two splits differ.
    """
    refuse_options(options, TITLE, "classes")
    files = _files(tree)
    _check_all_have_classes(tree, files)
    lists = [_read_classes(path) for path in files]
    first = lists[0]
    for other in lists[1:]:
        for ours, theirs in zip(first.entries, other.entries, strict=False):
            if ours != theirs:
                reason = f"value {ours.id} is {ours.name}, and value {theirs.id} is {theirs.name}"
                raise differing(first.path, other.path, reason)
        if len(first.entries) != len(other.entries):
            raise differing(first.path, other.path, f"{len(first.entries)} and {len(other.entries)} classes")
    parts: Pairs = {}
    problems: list[DataError] = []
    for path in files:
        images, masks = Folder(path.parent, IMAGES, without=TAIL), Folder(path.parent, MASKS, TAIL)
        pairs, wrong = match(images, masks, LAYOUT)
        parts.setdefault(tree.split_of(path), []).extend(pairs)
        problems += wrong
    rules = f"{TITLE} ({', '.join(map(tree.name_of, files))})"
    return mask_source(tree.root, options, first, parts, problems, rules)


FORMAT = LabelFormat("roboflow", TITLE, seen, find)


def _mask_of(image: Path) -> Path:
    return image.with_name(f"{image.stem}{TAIL}{MASKS[0]}")


def _files(tree: Tree) -> list[Path]:
    """The files of classes; one in the root counts where no split's folder has its own."""
    files = [path for path in tree.by_suffix(".csv", depth=1) if path.name.lower() == FILE]
    return [path for path in files if tree.depth(path)] or files


def _check_all_have_classes(tree: Tree, files: Sequence[Path]) -> None:
    """Refuse a split's folder that holds images and their masks, and no file of classes: it would not be used."""
    named = {path.parent for path in files}
    images = set(tree.images)
    for image in tree.images:
        if _mask_of(image) in images and tree.depth(image) == 1 and tree.split_of(image) and image.parent not in named:
            hint = f"copy it there from {tree.name_of(files[0])}, or export it again"
            raise absent(image.parent / FILE, "the file of classes", hint)


def _read_classes(path: Path) -> ClassList:
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
        rows = [[value.strip() for value in row] for row in csv.reader(lines)]
    except UnicodeDecodeError:
        raise broken(path, "CSV", "it is not UTF-8 text") from None
    except csv.Error as error:
        raise broken(path, "CSV", str(error)) from None
    columns = [name.lower() for name in rows[0]] if rows else []
    for key in (VALUE, NAME):
        if key not in columns:
            raise lacking(path, "line 1", f"the column {key.title()}")
    entries, places = [], []
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        place = f"{path}: line {number}"
        value, name = ((row + [""] * len(columns))[columns.index(key)] for key in (VALUE, NAME))
        if not (value.isascii() and value.isdigit() and len(value) < 4 and int(value) < 256):
            raise InputError(f"{place}: pixel value {value!r} must be a whole number from 0 to 255")
        if not name:
            raise nameless(path, f"line {number}", value, path.name)
        entries.append(Entry(name, int(value), None, False))
        places.append(place)
    check_entries(path, entries, places)
    return ClassList(path, tuple(sorted(entries, key=lambda entry: entry.id or 0)))
