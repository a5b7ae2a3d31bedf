"""Files and folders that lie deeper than they are looked for, or not deep enough, to be named in a message."""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from nas_space.errors import InputError

# os.path.isdir, for Path.is_dir raises where a folder must not be looked into.
DEEPEST = 3
"""Levels of inner folders that are looked into."""
OBJECTS = "which look like one mask per object: draw all objects of an image into one mask"

SPLITS = {"train": ("training",), "val": ("valid", "validation", "dev"), "test": ("testing",)}
"""Other names of a split's folder. Case does not count."""
KINDS = {"images": ("image",), "masks": ("mask",)}


def check_root(root: Path, holds: str) -> None:
    """Refuse a root whose only inner folder with what it must hold is one level deeper.

    Args:
        root: an existing folder.
        holds: what it must hold, such as ``train/ and val/``.

    Raises:
        InputError: the message names the folder that would do.
    """
    tops = re.findall(r"(\w+)/", holds)
    if any(os.path.isdir(root / top) for top in tops):
        return
    inner = [folder for folder in inner_folders(root) if any(os.path.isdir(folder / top) for top in tops)]
    if len(inner) == 1:
        raise InputError(f"{root}: holds no {holds}, but {inner[0]} does; give that folder")


def deeper_folder(path: Path) -> str:
    """What is said of a missing folder that lies there under a like name, or one level deeper; empty if it does not."""
    above = next(parent for parent in path.parents if os.path.isdir(parent))
    rest = path.relative_to(above)
    inner = inner_folders(above)
    near = next((folder for folder in inner if _usual_name(folder.name) == rest.parts[0]), None)
    if near is not None:
        return f", but {near} is there: rename it to {rest.parts[0]}"
    found = [folder for folder in inner if os.path.isdir(folder / rest)]
    if not found:
        return ""
    cure = rename_splits(folder.name for folder in found) or f"move what is in {found[0]} up into {above}"
    return f", but {found[0] / rest} is there: {cure}"


def rename_splits(names: Iterable[str]) -> str | None:
    """What to rename where folders have other names of splits, such as ``Train``; None if none of them has."""
    usual = {name: _usual_name(name) for name in names}
    pairs = [f"{name}/ to {split}/" for name, split in usual.items() if split in SPLITS]
    return f"rename {' and '.join(pairs)}" if pairs else None


def split_folders(folder: Path) -> list[Path]:
    """Inner folders that have the name of a split, or a like one, such as ``Train`` or ``valid``."""
    return [inner for inner in inner_folders(folder) if {inner.name, _usual_name(inner.name)} & SPLITS.keys()]


def _usual_name(name: str) -> str | None:
    """The name that a folder of another name, or of another case, should have."""
    for usual, others in (SPLITS | KINDS).items():
        if name != usual and name.casefold() in (usual, *others):
            return usual
    return None


def deeper_files(folders: Iterable[Path], extensions: Collection[str], tail: str = "") -> list[Path]:
    """Files of these kinds inside of folders, without those that are hidden, or behind links."""
    found = []
    for folder in folders:
        for place, inner, names in os.walk(folder):
            level = len(Path(place).relative_to(folder).parts) + 1
            inner[:] = sorted(name for name in inner if not name.startswith(".") and level < DEEPEST)
            paths = (Path(place, name) for name in sorted(names) if not name.startswith("."))
            found += [path for path in paths if path.suffix.lower() in extensions and path.stem.endswith(tail)]
    return found


def in_words(paths: Collection[Path]) -> str:
    """The first of some files, and how many more there are."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{next(iter(paths))}{more}"


def inner_folders(folder: Path) -> list[Path]:
    """Folders in a folder, sorted, without hidden ones; none where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError:
        return []
    return [path for path in (folder / name for name in names) if os.path.isdir(path)]
