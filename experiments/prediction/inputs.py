"""Which files a prediction is asked for: images and films, named one by one or by their folders."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from experiments.runtime.kinds import FILM, STILLS, is_animated, kind_of_file, read_head

IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
VIDEOS = (
    *(".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".h264", ".h265", ".hevc"),
    *(".ivf", ".m1v", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
    *(".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
)
PICTURES_IN_A_ROW = (".mjpeg", ".mjpg")
"""Suffixes of films that are nothing but one JPEG after the other: the content of a picture."""
OFTEN_TEXT = (".mts", ".ts")
"""Suffixes of films and of TypeScript."""
SOUND = (".aac", ".flac", ".m4a", ".m4b", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma")
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
        """Whether it is a film or a moving picture by its content; by its suffix where that is not known."""
        kind, suffix = kind_of_file(self.path), self.path.suffix.lower()
        if kind in STILLS and suffix not in PICTURES_IN_A_ROW:
            return _moves(self.path, kind)
        return kind == FILM or suffix in VIDEOS


def find_sources(inputs: Sequence[str]) -> tuple[list[Source], list[str]]:
    """The files that ``inputs`` name, in that order, each once; those of a folder are sorted by path.

    A folder stands for all images and films below it, by their content or their suffix, without links to folders and
    names that begin with a dot. Results have the place of their source in the folder. If two would have the same name,
    the later one gets a number.

    Args:
        inputs: files and folders.

    Returns:
        The sources, and a line for each input that gives none.
    """
    files: dict[str, tuple[Path, PurePath]] = {}
    empty: list[str] = []
    for text in inputs:
        path = Path(text)
        if not text.strip():
            empty.append("'': names no file and no folder; . is the current folder")
        elif path.is_dir():
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
            if not name.startswith(".") and (path.is_file() or not path.exists()) and _is_kind(path):
                yield path


def _is_kind(path: Path) -> bool:
    """Whether a file is an image or a film; what has a telling suffix counts, so that a damaged one is told."""
    suffix = path.suffix.lower()
    if suffix in OFTEN_TEXT:
        return kind_of_file(path) == FILM or b"\0" in read_head(path)
    if suffix in (*IMAGES, *VIDEOS):
        return True
    return suffix not in SOUND and kind_of_file(path) in (FILM, *STILLS)


def _moves(path: Path, kind: str | None) -> bool:
    if kind not in ("GIF", "PNG", "WebP"):
        return False
    try:
        with path.open("rb") as file:
            if kind != "GIF":
                return is_animated(file.read())
            from PIL.GifImagePlugin import GifImageFile

            return bool(GifImageFile(file).is_animated)
    except Exception:  # damaged: whoever reads it tells
        return False


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
