"""Which files of a folder tree belong together: images, and the labels of the same names."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from experiments.data.files import Array, DataError
from experiments.data.labels import read_pair
from experiments.data.source import Sample, evenly
from experiments.options.groups import DataOptions
from nas_space.errors import InputError

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Folder:
    """Where one kind of files of a split lies.

    Args:
        path: the folder.
        extensions: of the files, lower case.
        tail: what stands between a file's name and its extension.
        nested: the files lie one level deeper, in folders of any name.
    """

    path: Path
    extensions: tuple[str, ...]
    tail: str = ""
    nested: bool = False

    def files(self) -> tuple[dict[str, Path], list[DataError]]:
        """Name (without tail and extension) -> file, and names that occur twice; hidden files are passed over.

        Raises:
            DataError: the folder cannot be listed.
        """
        found: dict[str, Path] = {}
        twice: list[DataError] = []
        for folder in [entry for entry in self._entries(self.path) if entry.is_dir()] if self.nested else [self.path]:
            for path in self._entries(folder):
                if path.suffix.lower() not in self.extensions or not path.stem.endswith(self.tail):
                    continue
                name = path.stem[: len(path.stem) - len(self.tail)]
                if name in found:
                    twice.append(
                        DataError("same name", path, f"{path}: {found[name].name} has the same name; keep one of them")
                    )
                else:
                    found[name] = path
        return found, twice

    @staticmethod
    def _entries(folder: Path) -> list[Path]:
        try:
            return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            raise DataError("missing folder", folder, f"{folder}: cannot be listed ({error.strerror})") from None


def root_folder(options: DataOptions, holds: str, variable: str | None = None) -> Path:
    """``data.root``, or what the environment variable names.

    Raises:
        InputError: neither is given, or there is no such folder.
    """
    given = options.root or (os.environ.get(variable) if variable else None)
    if not given:
        places = f"data.root or the environment variable {variable}" if variable else "data.root"
        raise InputError(f"{options.name}: no folder given; set {places} to the folder that holds {holds}")
    root = Path(given).expanduser()
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; data.root{f' (or {variable})' if variable else ''} must hold {holds}"
        )
    return root


def match(images: Folder, labels: Folder, layout: str) -> tuple[list[tuple[str, Path, Path]], list[DataError]]:
    """Name, image and label of every image that has one, sorted by name, and everything that is wrong.

    Args:
        images: where images are.
        labels: where labels are.
        layout: which folders must be there, for messages.
    """
    missing = [folder.path for folder in (images, labels) if not folder.path.is_dir()]
    if missing:
        return [], [DataError("missing folder", path, f"{path}: no such folder; {layout}") for path in missing]
    try:
        (image_files, problems), (label_files, twice) = images.files(), labels.files()
    except DataError as error:
        return [], [error]
    problems = problems + twice
    if not image_files:
        kinds = ", ".join(images.extensions[:-1]) + f" or {images.extensions[-1]}"
        where = "no folder of images" if images.nested else f"no {images.tail}{kinds} image"
        problems.append(DataError("no images", images.path, f"{images.path}: holds {where}; {layout}"))
    unlabelled = sorted(image_files.keys() - label_files.keys())
    others = {folder: _stems(folder) for folder in {_label_folder(image_files[name], labels) for name in unlabelled}}
    for name in unlabelled:
        problems.append(_missing_label(image_files[name], labels, name, others))
    for name in sorted(label_files.keys() - image_files.keys()):
        path = label_files[name]
        problems.append(
            DataError(
                "label without image", path, f"{path}: has no image in {images.path}; it is not used", stops=False
            )
        )
    return [
        (name, image_files[name], label_files[name]) for name in sorted(image_files.keys() & label_files.keys())
    ], problems


def _label_folder(image: Path, labels: Folder) -> Path:
    return labels.path / image.parent.name if labels.nested else labels.path


def _stems(folder: Path) -> dict[str, str]:
    """The files of a folder by stem, of equal ones the first by name; none where it cannot be listed."""
    return {path.stem: path.name for path in sorted(folder.glob("*"), reverse=True)}


def _missing_label(image: Path, labels: Folder, name: str, others: Mapping[Path, Mapping[str, str]]) -> DataError:
    folder, stem = _label_folder(image, labels), f"{name}{labels.tail}"
    label, other = folder / f"{stem}{labels.extensions[0]}", others[folder].get(stem)
    hint = (
        f" ({other} does not count: labels are {', '.join(labels.extensions)}, which keep every value)" if other else ""
    )
    return DataError(
        "missing label", image, f"{image}: its label {label} is missing{hint}; add it, or remove the image"
    )


def find_splits(
    folders: Mapping[str, tuple[Folder, Folder]], read_label: Callable[[Path], Array], limit: int | None, layout: str
) -> tuple[dict[str, list[Sample]], list[DataError]]:
    """The samples of each split from its folders of images and labels, and everything that is wrong with them."""
    splits: dict[str, list[Sample]] = {}
    problems: list[DataError] = []
    for split, (images, labels) in folders.items():
        pairs, wrong = match(images, labels, layout)
        splits[split] = make_samples(pairs, read_label, limit)
        problems += wrong
    return splits, problems


def make_samples(
    pairs: list[tuple[str, Path, Path]], read_label: Callable[[Path], Array], limit: int | None
) -> list[Sample]:
    """At most ``limit`` samples, evenly spaced over the names."""
    return [
        Sample(name, image, label, partial(read_pair, image, label, read_label))
        for name, image, label in evenly(pairs, limit)
    ]
