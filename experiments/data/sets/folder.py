"""A user's own images and masks, in folders of each split or in just ``images`` and ``masks``."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from experiments.data.files import LEFT_OUT, DataError
from experiments.data.listing import IMAGES, Folder, make_samples, match, root_folder
from experiments.data.misplaced import split_folders
from experiments.data.sets.class_file import ClassList, Entry, find_class_file, flag_words, read_class_file
from experiments.data.sets.masks import MASKS, MaskReader
from experiments.data.source import DataSource
from experiments.options.groups import IGNORE, DataOptions
from nas_space.errors import InputError

VAL_FRACTION = 0.2
SPLITS = ("train", "val", "test")
LAYOUT = "data.root must hold train/images, train/masks, val/images and val/masks, or just images and masks"


def find_folder(options: DataOptions) -> DataSource:
    """The splits in ``data.root``; a mask has the name of its image. Undivided images are divided by their names.

    Raises:
        InputError: no folder is given, the file of classes is wrong, or ``data.val_fraction`` is.
    """
    root = root_folder(options, "train/ and val/, or images/ and masks/")
    val_fraction = VAL_FRACTION if options.val_fraction is None else options.val_fraction
    if not 0 < val_fraction < 1:
        raise InputError(f"data.val_fraction: {val_fraction} must lie between 0 and 1")
    classes = read_class_file(find_class_file(root, options.classes), options.threshold is not None)
    reader = MaskReader(classes, options.labels, options.threshold, options.first_page)
    folders = _folders(root)
    if folders:
        matched = {split: match(*pair, LAYOUT) for split, pair in folders.items()}
        parts = {split: pairs for split, (pairs, _) in matched.items()}
        problems = [problem for _, wrong in matched.values() for problem in wrong]
    else:
        pairs, problems = match(Folder(root / "images", IMAGES), Folder(root / "masks", MASKS), LAYOUT)
        if len(pairs) == 1 and not any(problem.stops for problem in problems):
            raise InputError(f"{pairs[0][1]}: the only image cannot be divided into training and validation; add more")
        chosen = validation_names([name for name, _, _ in pairs], val_fraction)
        parts = {
            split: [pair for pair in pairs if (pair[0] in chosen) == (split == "val")] for split in ("train", "val")
        }
    problems += [*_left_out(root, folders), *_ignored_classes(classes)]
    # All masks, whatever the limit: another command may use other ones, and must read them alike.
    problems += reader.settle([mask for part in parts.values() for _, _, mask in part])
    splits = {split: make_samples(part, reader, options.limit) for split, part in parts.items()}
    return DataSource(
        "folder",
        classes.names,
        classes.colours,
        splits,
        tuple(problems),
        reader.words,
        values=tuple(map(_value, classes.classes)),
        ignored=_ignored(classes, options.threshold),
        cure=_cure(classes, options.threshold),
    )


def validation_names(names: list[str], fraction: float) -> set[str]:
    """The images that validate: the ``fraction`` of the names with the smallest hashes, at least one, never all.

    It depends on the names alone, and a new image moves at most one other.
    """
    count = min(max(round(fraction * len(names)), 1), len(names) - 1)
    return set(sorted(names, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())[: max(count, 0)])


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


def _folders(root: Path) -> dict[str, tuple[Folder, Folder]]:
    """Images and masks of each split, in ``SPLIT/images`` or ``images/SPLIT``; nothing if they are not divided."""
    if (root / "train").is_dir() or (root / "val").is_dir():
        places = {split: (root / split / "images", root / split / "masks") for split in SPLITS}
    elif (root / "images" / "train").is_dir():
        places = {split: (root / "images" / split, root / "masks" / split) for split in SPLITS}
    else:
        return {}
    if not all(folder.is_dir() for folder in places["test"]):
        del places["test"]
    return {split: (Folder(images, IMAGES), Folder(masks, MASKS)) for split, (images, masks) in places.items()}


def _left_out(root: Path, folders: Mapping[str, tuple[Folder, Folder]]) -> list[DataError]:
    """A remark that names the folders with images beside those that are used, such as ``test`` beside ``images``.

    Args:
        root: the data set's folder.
        folders: images and masks of each split; nothing where ``images`` is divided, which lists what lies inside it.
    """
    used = [images.path for images, _ in folders.values()] or [root / "images"]
    others = [root / "images", *(split / "images" for split in split_folders(root))]
    others += split_folders(root / "images") if folders else []
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
