"""The files of a folder, listed once: what formats look for their marks in, and where images are found by name."""

import os
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from experiments.data.files import DataError
from experiments.data.listing import IMAGES
from experiments.data.misplaced import SPLITS
from experiments.data.pairing import fold

DEEPEST = 8
"""Levels of folders that are looked into."""
SPLIT_OF = {name: split for split, others in SPLITS.items() for name in (split, *others)}
"""Name of a split, in any of its forms -> ``train``, ``val`` or ``test``."""


class Tree:
    """The files below a folder, sorted, without hidden ones; they are listed when they are asked for.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> tuple[Path, ...]:
        return tuple(sorted(_walk(self.root, {os.path.realpath(self.root)}, 0)))

    def by_suffix(self, *suffixes: str, depth: int = DEEPEST) -> list[Path]:
        """Files of these endings, at most so many folders deep."""
        return [path for path in self.files if path.suffix.lower() in suffixes and self.depth(path) <= depth]

    def depth(self, path: Path) -> int:
        """How many folders a file lies below the root."""
        return len(path.relative_to(self.root).parts) - 1

    def name_of(self, path: Path) -> str:
        """A file as it is named from the root."""
        return path.relative_to(self.root).as_posix()

    def split_of(self, path: Path) -> str:
        """The split that a folder above a file is named by; empty if there is none."""
        for part in reversed(path.relative_to(self.root).parts[:-1]):
            if part.casefold() in SPLIT_OF:
                return SPLIT_OF[part.casefold()]
        return ""

    @cached_property
    def images(self) -> tuple[Path, ...]:
        return tuple(path for path in self.files if path.suffix.lower() in IMAGES)

    @cached_property
    def _by_path(self) -> dict[str, list[Path]]:
        return _grouped((fold(self.name_of(path)), path) for path in self.images)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        return _grouped((fold(path.name), path) for path in self.images)

    def find_image(self, name: str, folders: Iterable[Path], split: str = "") -> list[Path]:
        """The image that a label file names: in one of the folders, else the only one of this name.

        Args:
            name: as it stands there, perhaps with folders, also of another machine. Case need not be right.
            folders: where it is looked for first, in this order.
            split: where several have this name, the one in this split's folder.

        Returns:
            The image; none, or several that may be meant.
        """
        given = PurePosixPath(name.replace("\\", "/"))
        for folder in folders:
            place = Path(os.path.relpath(folder / given, self.root))
            found = _exact(self._by_path.get(fold(place.as_posix()), []), given.name)
            if found:
                return found
        found = _exact(self._by_name.get(fold(given.name), []), given.name)
        if len(found) > 1 and split:
            found = [path for path in found if self.split_of(path) == split] or found
        return found


def split_in(name: str) -> str:
    """The split that a word of a file's name means, as in ``instances_train2017``; empty if none does."""
    words = re.findall(r"[^\W\d_]+", name.casefold())
    return next((SPLIT_OF[word] for word in words if word in SPLIT_OF), "")


def case_remark(pairs: Iterable[tuple[str, Path]], where: Path) -> list[DataError]:
    """A remark where images are named in another case than their files.

    Args:
        pairs: an image's name as a label file has it, and the file.
        where: the label file, or folder.
    """
    for name, image in pairs:
        last = name.replace("\\", "/").rpartition("/")[2]
        if last not in (image.name, image.stem):
            text = (
                f"{where}: names of images and labels differ in case or Unicode composition; {image.name} is paired "
                f"with {last}"
            )
            return [DataError("names differ", where, text, stops=False)]
    return []


def _walk(folder: str | Path, seen: set[str], depth: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith((".", "__MACOSX"))]
    except OSError:
        return
    for entry in visible:
        if not entry.is_dir():
            yield Path(entry.path)
        elif depth < DEEPEST:
            real = os.path.realpath(entry.path)
            if not entry.is_symlink() or real not in seen:  # a link to a folder above would never end
                yield from _walk(entry.path, seen | {real}, depth + 1)


def _grouped(pairs: Iterable[tuple[str, Path]]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for key, path in pairs:
        groups.setdefault(key, []).append(path)
    return groups


def _exact(paths: list[Path], name: str) -> list[Path]:
    """Those that are spelt as the name is, where there are any."""
    return [path for path in paths if path.name == name] or paths
