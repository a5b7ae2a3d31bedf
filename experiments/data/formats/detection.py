"""Which format the labels of a ``folder`` have: its files say it, or ``data.format``.

A plain folder with a file of classes and the folders of the README is what it always was, whatever lies beside them.
Otherwise each format looks for its marks. Where several are found, the user says which one counts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.data.formats import coco, labelme, roboflow, voc, yolo
from experiments.data.formats.label_format import LabelFormat
from experiments.data.formats.tree import Tree
from experiments.data.listing import given_folder
from experiments.data.misplaced import check_root, inner_folders
from experiments.data.sets.class_file import NAMES as CLASS_FILES
from experiments.data.sets.folder import HOLDS, find_masks
from experiments.data.sets.layouts import Layout, find_layout
from experiments.data.source import DataSource
from experiments.options.groups import DataOptions
from nas_space.errors import InputError

FORMATS: tuple[LabelFormat, ...] = (coco.FORMAT, yolo.FORMAT, labelme.FORMAT, voc.FORMAT, roboflow.FORMAT)
MASKS = "masks"
"""The plain layout: images, masks, and a file of classes."""
MOST_INNER = 50
"""Inner folders that are looked into for an export that lies one level deeper."""


def find_folder(options: DataOptions) -> DataSource:
    """The data set in ``data.root``, as its labels' format says.

    Raises:
        InputError: no folder is given, its labels are of no format, or of several, or something in it is wrong.
    """
    root = given_folder(options, HOLDS)
    if options.format is not None and options.format not in (*(one.name for one in FORMATS), MASKS):
        known = ", ".join((MASKS, *(one.name for one in FORMATS)))
        raise InputError(f"data.format: unknown {options.format!r}; choose from {known}")
    if options.format == MASKS:
        return find_masks(options)
    tree = Tree(root)
    if options.format is not None:
        chosen = next(one for one in FORMATS if one.name == options.format)
        if not chosen.seen(tree):
            raise InputError(f"data.format: {root} holds no {chosen.title}; leave it out, and the files say the format")
        return chosen.find(tree, options)
    layout = find_layout(root)
    has_classes = options.classes is not None or any((root / name).exists() for name in CLASS_FILES)
    is_plain = has_classes and layout.holds_masks()
    if is_plain and layout.is_usual:
        return find_masks(options)
    seen = {one: marks for one in FORMATS if (marks := one.seen(tree))}
    if len(seen) + is_plain > 1:
        raise InputError(_ambiguous(root, seen, is_plain))
    if seen:
        return next(iter(seen)).find(tree, options)
    if not has_classes and not layout.holds_masks():
        raise InputError(_nothing(root, layout))
    return find_masks(options)


def _ambiguous(root: Path, seen: Mapping[LabelFormat, Sequence[str]], is_plain: bool) -> str:
    found = [f"{one.title} ({', '.join(list(marks)[:3])})" for one, marks in seen.items()]
    names = [one.name for one in seen]
    if is_plain:
        found, names = [*found, "masks with a file of classes"], [*names, MASKS]
    hint = f"say which counts: --data.format {', '.join(names[:-1])} or {names[-1]}"
    return f"{root}: holds labels of several formats: {' and '.join(found)}; {hint}"


def _nothing(root: Path, layout: Layout) -> str:
    """The message for a folder in which no format is found; it names the inner folder that may be meant.

    Raises:
        InputError: an inner folder is the one that is meant, by its folders.
    """
    if any(images.path.is_dir() for images, _ in layout.pairs):
        titles = ", ".join(one.title for one in FORMATS)
        return (
            f"{root}: holds images, and no labels of a known format (masks with a file of classes, {titles}); add them"
        )
    inner = inner_folders(root)[:MOST_INNER]
    found = [folder for folder in inner if any(one.seen(Tree(folder)) for one in FORMATS)]
    if found:
        others = f" (and {len(found) - 1} more such)" if len(found) > 1 else ""
        return f"{root}: holds no labels, but {found[0]} does{others}; give --data.root {found[0]}"
    check_root(root, HOLDS)
    titles = ", ".join(one.title for one in FORMATS)
    return f"{root}: holds no labels of a known format: masks with a file of classes, {titles}; give their folder"
