"""Which files a prediction is asked for: images and films, named one by one or by their folders."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
NOT_UTF8 = re.compile("[\ud800-\udfff]")
"""How Python writes the bytes of a path that are no UTF-8."""
LONGEST = 180
"""Most bytes of a name. File systems take 255; the rest is for a suffix and a temporary name."""


@dataclass(frozen=True)
class Source:
    """One file to be read.

    Args:
        path: where it is.
        name: of its results: a relative path without suffix that no other source has.
    """

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        """Whether its suffix is that of a film; everything else is read as an image."""
        return self.path.suffix.lower() in VIDEOS


def find_sources(inputs: Sequence[str]) -> tuple[list[Source], list[str]]:
    """The files that ``inputs`` name, in that order, each once; those of a folder are sorted by path.

    A folder stands for all images and films below it, without links to folders and names that begin with a dot. Results
    have the place of their source in the folder. If two would have the same name, the later one gets a number.

    Args:
        inputs: files and folders.

    Returns:
        The sources, and a line for each input that gives none.
    """
    files: dict[str, tuple[Path, PurePath]] = {}
    empty: list[str] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            inside = list(_walk(path))
            if not inside:
                empty.append(f"{text}: holds no image ({' '.join(IMAGES)}) and no film ({' '.join(VIDEOS)})")
            for file in inside:
                files.setdefault(os.path.abspath(file), (file, file.relative_to(path).with_suffix("")))
        elif path.is_file():
            files.setdefault(os.path.abspath(path), (path, PurePath(path.stem)))
        else:
            empty.append(f"{text}: {'neither a file nor a folder' if path.exists() else 'no such file'}")
    return _with_names(files.values()), empty


def _walk(folder: Path) -> Iterator[Path]:
    """Images and films below a folder, also links that lead nowhere: they fail later, with a message."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            is_kind = path.suffix.lower() in (*IMAGES, *VIDEOS) and not name.startswith(".")
            if is_kind and (path.is_file() or not path.exists()):
                yield path


def _with_names(files: Iterable[tuple[Path, PurePath]]) -> list[Source]:
    taken: set[str] = set()
    sources = []
    for path, relative in files:
        first = PurePath(*map(_shortened, relative.parts)).as_posix()
        name, number = first, 1
        while name.casefold() in taken:  # not every file system tells A from a
            number += 1
            name = f"{first}-{number}"
        taken.add(name.casefold())
        sources.append(Source(path, name))
    return sources


def _shortened(part: str) -> str:
    """``part`` of a path as UTF-8 of at most ``LONGEST`` bytes."""
    return NOT_UTF8.sub("_", part).encode()[:LONGEST].decode("utf-8", "ignore")
