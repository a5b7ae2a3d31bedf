"""Which files a prediction is asked for: images and films, named one by one or by their folders."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
NOT_UTF8 = re.compile("[\ud800-\udfff]")
"""What stands in a path for its bytes that are no UTF-8."""
LONGEST = 180
"""Bytes of a name, with room for a suffix and for a temporary name: a file system takes 255."""


@dataclass(frozen=True)
class Source:
    """One file to be read.

    Args:
        path: where it is.
        name: what its results are called: a relative path without suffix, which no other source has.
    """

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        """Whether its name is that of a film; everything else is tried as an image."""
        return self.path.suffix.lower() in VIDEOS


def find_sources(words: Sequence[str]) -> tuple[list[Source], list[str]]:
    """The files that ``words`` name, in that order, each once; a folder's sorted by path.

    A folder stands for all images and films in it and in its subfolders (links to folders are not followed, names that
    begin with a dot are left out). Results keep the place of their source in the folder; where two would have one name,
    the later gets a number.

    Args:
        words: files and folders.

    Returns:
        The sources, and a line for each word that gives none.
    """
    found: dict[str, tuple[Path, PurePath]] = {}
    nothing: list[str] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            inside = list(_walk(path))
            if not inside:
                nothing.append(f"{word}: holds no image ({' '.join(IMAGES)}) and no film ({' '.join(VIDEOS)})")
            pairs: list[tuple[Path, PurePath]] = [(file, file.relative_to(path).with_suffix("")) for file in inside]
        elif path.is_file():
            pairs = [(path, PurePath(path.stem))]
        else:
            nothing.append(f"{word}: {'neither a file nor a folder' if path.exists() else 'no such file'}")
            continue
        for file, name in pairs:
            found.setdefault(os.path.abspath(file), (file, name))
    return _named(found.values()), nothing


def _walk(folder: Path) -> Iterator[Path]:
    """Images and films below a folder, a link that leads nowhere among them: it is to be told, not passed over."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if (
                not name.startswith(".")
                and path.suffix.lower() in (*IMAGES, *VIDEOS)
                and (path.is_file() or not path.exists())
            ):
                yield path


def _named(found: Iterable[tuple[Path, PurePath]]) -> list[Source]:
    taken: set[str] = set()
    sources = []
    for path, wanted in found:
        wanted = PurePath(*map(_shortened, wanted.parts))
        name, number = wanted.as_posix(), 1
        while name.casefold() in taken:  # not every file system tells A from a
            number += 1
            name = f"{wanted.as_posix()}-{number}"
        taken.add(name.casefold())
        sources.append(Source(path, name))
    return sources


def _shortened(part: str) -> str:
    """``part`` of a path in at most ``LONGEST`` bytes of UTF-8, which not every name is."""
    return NOT_UTF8.sub("_", part).encode()[:LONGEST].decode("utf-8", "ignore")
