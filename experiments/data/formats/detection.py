"""Which format the labels of a ``folder`` have: its files say it, or ``data.format``.

A plain folder with a file of classes and the folders of docs/own_photos.md is what it always was, whatever lies beside
them. Otherwise each format looks for its marks. Where several are found, the user says which one counts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.data.files import DataError
from experiments.data.formats import coco, labelme, plain, roboflow, voc, yolo
from experiments.data.formats.label_format import LabelFormat
from experiments.data.formats.tree import Tree
from experiments.data.formats.values import Found
from experiments.data.listing import given_folder
from experiments.data.misplaced import inner_folders
from experiments.data.sets.layouts import find_layout
from experiments.data.source import DataSource
from experiments.options.groups import DataOptions
from nas_space.errors import InputError

PLAIN = plain.FORMAT
FORMATS = (PLAIN, coco.FORMAT, yolo.FORMAT, labelme.FORMAT, voc.FORMAT, roboflow.FORMAT)
TITLES = ", ".join(one.title for one in FORMATS)
PUBLISHED = {
    "camvid": ("train", "trainannot", "val", "valannot"),
    "cityscapes": ("leftImg8bit", "gtFine"),
    "bdd100k": ("images/10k", "labels/sem_seg"),
}
"""Data sets with a name of their own: the folders by which they are known."""
MOST_INNER = 50
"""Inner folders that are looked into for an export that lies one level deeper."""

ANY_LABELS = "photos with their labels, as a labelling tool exports them, or images/ and masks/"
"""What a folder of any format holds, for messages."""


def find_folder(options: DataOptions) -> DataSource:
    """The data set in ``data.root``, as its labels' format says.

    Raises:
        InputError: no folder is given, its labels are of no format, or of several, or something in it is wrong.
    """
    tree = Tree(given_folder(options, ANY_LABELS))
    return detect(tree, options).find(tree, options)


def count_values(options: DataOptions) -> Found:
    """What the labels in ``data.root`` hold.

    Raises:
        InputError: as of ``find_folder``, or the labels name their classes.
    """
    tree = Tree(given_folder(options, ANY_LABELS))
    chosen = detect(tree, options)
    if chosen.count is None:
        raise InputError(f"{tree.root}: {chosen.title} name their classes; there is nothing to complete")
    return chosen.count(tree)


def detect(tree: Tree, options: DataOptions) -> LabelFormat:
    """The format of a folder's labels.

    Raises:
        InputError: there are none, or several, or not those that ``data.format`` says.
    """
    root = tree.root
    if options.format is not None:
        chosen = next((one for one in FORMATS if one.name == options.format), None)
        if chosen is None:
            known = ", ".join(one.name for one in FORMATS)
            raise InputError(f"data.format: unknown {options.format!r}; choose from {known}")
        if chosen is not PLAIN and not chosen.seen(tree):
            raise InputError(f"data.format: {root} holds no {chosen.title}; leave it out, and the files say the format")
        return chosen
    has_classes = options.classes is not None or bool(plain.class_files(tree))
    problem: DataError | None = None
    try:
        layout = find_layout(root)
        has_masks = layout.holds_masks()
        if has_classes and has_masks and layout.is_usual:
            return PLAIN
    except DataError as error:
        problem, has_masks = error, False
    seen = {one: marks for one in FORMATS if (marks := one.seen(tree))}
    if len(seen) > 1:
        raise InputError(_ambiguous(root, seen))
    if not seen and problem is not None:
        raise problem
    if not seen and not has_classes and not has_masks:
        raise InputError(_nothing(root, bool(tree.images)))
    return next(iter(seen), PLAIN)


def _ambiguous(root: Path, seen: Mapping[LabelFormat, Sequence[str]]) -> str:
    found = [f"{one.title} ({', '.join(list(marks)[:3])})" for one, marks in seen.items()]
    *others, last = (one.name for one in seen)
    hint = f"say which counts: --data.format {', '.join(others)} or {last}"
    return f"{root}: holds labels of several formats: {' and '.join(found)}; {hint}"


def _nothing(root: Path, has_images: bool) -> str:
    """The message for a folder in which no format is found; it names the data set or the inner folder that is meant."""
    for name, folders in PUBLISHED.items():
        if all((root / folder).is_dir() for folder in folders):
            marks = ", ".join(f"{folder}/" for folder in folders)
            return f"{root}: holds {marks}, the folders of {name}; give --data.name {name}"
    found = [folder for folder in inner_folders(root)[:MOST_INNER] if _is_labelled(folder)]
    if found:
        others = f" (and {len(found) - 1} more such)" if len(found) > 1 else ""
        return f"{root}: holds no labels, but {found[0]} does{others}; give that folder"
    what = "images, and no labels" if has_images else "no labels"
    return f"{root}: holds {what} of a known format ({TITLES}); label the images, or give the folder of an export"


def _is_labelled(folder: Path) -> bool:
    try:
        has_masks = find_layout(folder).holds_masks()
    except DataError:
        return True
    return has_masks or any(one.seen(Tree(folder)) for one in FORMATS)
