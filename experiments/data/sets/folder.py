"""A user's own images and masks, in folders of each split or in just ``images`` and ``masks``."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from experiments.data.division import check_divisible, divide, validation_fraction, validation_names
from experiments.data.files import LEFT_OUT, DataError
from experiments.data.listing import IMAGES, given_folder, make_samples, match
from experiments.data.misplaced import check_root, inner_folders, split_folders
from experiments.data.sets.class_file import ClassList, Entry, find_class_file, flag_words, read_class_file
from experiments.data.sets.layouts import Layout, find_layout
from experiments.data.sets.masks import MaskReader
from experiments.data.source import DataSource
from experiments.options.groups import IGNORE, DataOptions

LAYOUT = "data.root must hold train/images, train/masks, val/images and val/masks, or just images and masks"
HOLDS = "train/ and val/, or images/ and masks/"
Pairs = dict[str, list[tuple[str, Path, Path]]]
"""Split -> name, image and mask of each sample; the split is empty where there is none."""


def find_masks(options: DataOptions) -> DataSource:
    """The splits in ``data.root``; a mask has the name of its image. Undivided images are divided by their names.

    Raises:
        InputError: no folder is given, the file of classes is wrong, or ``data.val_fraction`` is.
    """
    root = given_folder(options, HOLDS)
    layout = find_layout(root)
    if not layout.holds_masks() and any(find_layout(folder).holds_masks() for folder in inner_folders(root)):
        check_root(root, HOLDS)
    fraction = validation_fraction(options)
    classes = read_class_file(find_class_file(root, options.classes), options.threshold is not None)
    reader = MaskReader(classes, options.labels, options.threshold, options.first_page)
    parts: Pairs = {}
    if layout.splits:
        matched = {split: match(*pair, LAYOUT) for split, pair in layout.splits.items()}
        parts = {split: pairs for split, (pairs, _) in matched.items()}
        problems = [problem for _, wrong in matched.values() for problem in wrong]
    else:
        pairs, problems = match(*layout.undivided, LAYOUT)
        if not any(problem.stops for problem in problems):
            check_divisible([image for _, image, _ in pairs])
        chosen = validation_names([name for name, _, _ in pairs], fraction)
        parts = {
            split: [pair for pair in pairs if (pair[0] in chosen) == (split == "val")] for split in ("train", "val")
        }
    problems += _left_out(root, layout)
    return _read_by(reader, options, parts, problems)


def mask_source(
    root: Path, options: DataOptions, classes: ClassList, parts: Pairs, problems: Sequence[DataError], rules: str
) -> DataSource:
    """The data set of a tool that exports masks.

    Args:
        root: its folder.
        options: what it is found by.
        classes: with their values or colours.
        parts: the samples of each split.
        problems: of listing them.
        rules: how they are listed, in words.

    Raises:
        InputError: a single image cannot be divided, or what is found makes no splits.
    """
    fraction = validation_fraction(options)
    named = {split: {name: (image, mask) for name, image, mask in pairs} for split, pairs in parts.items()}
    divided, remarks = divide(root, named, fraction, problems)
    reader = MaskReader(classes, options.labels, options.threshold, options.first_page)
    whole = {split: [(name, *pair) for name, pair in sorted(items.items())] for split, items in divided.items()}
    source = _read_by(reader, options, whole, [*problems, *remarks])
    return replace(source, reading="; ".join(filter(None, (rules, source.reading))))


def _read_by(reader: MaskReader, options: DataOptions, parts: Pairs, problems: Sequence[DataError]) -> DataSource:
    """The source of these samples, whose masks are all read in one way."""
    classes = reader.classes
    # All masks, whatever the limit: another command may use other ones, and must read them alike.
    undecided = reader.settle([mask for part in parts.values() for _, _, mask in part])
    splits = {split: make_samples(part, reader, options.limit) for split, part in parts.items()}
    return DataSource(
        "folder",
        classes.names,
        classes.colours,
        splits,
        (*problems, *_ignored_classes(classes), *undecided),
        reader.words,
        values=tuple(map(_value, classes.classes)),
        ignored=_ignored(classes, options.threshold),
        cure=_cure(classes, options.threshold),
    )


def _value(entry: Entry) -> str:
    """How a class stands in the masks."""
    return f"value {entry.id}" if entry.id is not None else f"colour {entry.colour}"


def _ignored_classes(classes: ClassList) -> list[DataError]:
    """A remark on what would be a class, had it another id than 255."""
    path = classes.path
    return [
        DataError(
            "ignored class",
            path,
            f"{path}: {entry.name} ({entry.id}) is ignored, as id {entry.id} is; if it should be a class, give it "
            f"{flag_words(path, False)} (if not, {flag_words(path, True)})",
            stops=False,
        )
        for entry in classes.entries
        if entry.is_unasked
    ]


def _ignored(classes: ClassList, threshold: int | None) -> str:
    """What is ignored in the masks: what the file of classes says, and 255 where it says nothing of it."""
    named = [f"{entry.name}, {_value(entry)}" for entry in classes.entries if entry.ignored]
    return " or ".join([*(["value 255"] if _ignores_unasked(classes, threshold) else []), *named]) or "nothing"


def _ignores_unasked(classes: ClassList, threshold: int | None) -> bool:
    return threshold is None and IGNORE in classes.by_id and all(entry.id != IGNORE for entry in classes.entries)


def _cure(classes: ClassList, threshold: int | None) -> str:
    if not _ignores_unasked(classes, threshold):
        return f"if they should be {{name}}, correct the masks or {_braces(classes.path)}"
    two = "give --data.threshold 128, or " if len(classes.classes) == 2 else ""
    flag = flag_words(classes.path, False)
    return f"if 255 should be {{name}}, {two}give it id 255 with {flag} in {_braces(classes.path)}"


def _braces(path: Path) -> str:
    return str(path).replace("{", "{{").replace("}", "}}")


def _left_out(root: Path, layout: Layout) -> list[DataError]:
    """A remark that names the folders with images beside those that are used, such as ``test`` beside ``images``.

    Args:
        root: the data set's folder.
        layout: the folders that are used. One that is not divided lists what lies inside it.
    """
    used = [images.path for images, _ in layout.pairs]
    others = [root / "images", *(split / "images" for split in split_folders(root))]
    others += split_folders(root / "images") if layout.splits else []
    counts = {folder.relative_to(root): _count_images(folder) for folder in others if folder not in used}
    found = [f"{count} image{'s' * (count != 1)} in {folder}/" for folder, count in counts.items() if count]
    if not found:
        return []
    names = ", ".join(f"{folder.relative_to(root)}/" for folder in used)
    hint = "a split needs images/ and masks/, and all splits the same layout; move or remove what is left out"
    text = f"{root}: not used: {' and '.join(found)} (used: {names}); {hint}"
    return [DataError(LEFT_OUT, root, text, stops=False)]


def _count_images(folder: Path) -> int:
    try:
        names = os.listdir(folder)
    except OSError:
        return 0
    return sum(name.lower().endswith(IMAGES) and not name.startswith(".") for name in names)
