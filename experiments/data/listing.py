"""Which files of a folder tree belong together: images, and the labels of the same names."""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from experiments.data.files import DataError
from experiments.data.labels import ReadLabel, read_pair
from experiments.data.misplaced import OBJECTS, check_root, deeper_files, deeper_folder, in_words, rename_splits
from experiments.data.pairing import Neighbours, Pairing, pair_names
from experiments.data.source import Sample, evenly
from experiments.options.groups import DataOptions
from experiments.runtime.kinds import PICTURES, kind_of_file
from nas_space.errors import InputError

OTHER_KINDS = ("TrainIds", "_color", "instanceIds")
"""Parts of the names of Cityscapes' other label files."""
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Folder:
    """Where the images, or the labels, of a split are.

    Args:
        path: the folder.
        extensions: of the files, lower case.
        tail: what stands between a file's name and its extension.
        nested: the files are one level deeper, in folders of any name.
        without: files with this between name and extension do not count: labels that lie beside the images.
    """

    path: Path
    extensions: tuple[str, ...]
    tail: str = ""
    nested: bool = False
    without: str | None = None

    @property
    def kinds(self) -> str:
        """Which files count, in words."""
        *others, last = self.extensions
        return self.tail + (f"{', '.join(others)} or {last}" if others else last)

    def files(self) -> "Listing":
        """What is in the folder; hidden files do not count.

        Raises:
            DataError: the folder cannot be listed.
        """
        files: dict[str, Path] = {}
        problems: list[DataError] = []
        outer = _entries(self.path)
        folders = [path for path in map(Path, outer) if path.is_dir()] if self.nested else [self.path]
        inner = [entry for folder in folders for entry in _entries(folder)] if self.nested else outer
        for path in map(Path, inner):
            if self._counts(path):
                first = files.setdefault(path.stem.removesuffix(self.tail), path)
                if first != path:
                    text = f"{path}: {first.name} has the same name; keep one of them"
                    problems.append(DataError("same name", path, text))
        # A link to a folder above would never end.
        deeper = [Path(entry) for entry in inner if entry.is_dir(follow_symlinks=False)]
        beside = [path for path in map(Path, outer) if self.nested and self._counts(path)]
        strangers = (path for path in map(Path, inner) if path.suffix.lower() not in self.extensions)
        others = [(path.stem.removesuffix(self.tail), path) for path in strangers if os.path.isfile(path)]
        return Listing(files, deeper_files(deeper, self.extensions, self.tail), beside, others, problems)

    def _counts(self, path: Path) -> bool:
        if self.without is not None and path.stem.endswith(self.without):
            return False
        return path.suffix.lower() in self.extensions and path.stem.endswith(self.tail)


class Listing(NamedTuple):
    """The files of a folder.

    Args:
        files: name (without tail and extension) -> file.
        deeper: files of the same kinds in folders inside of it, which are not used.
        beside: where files are looked for in inner folders: those that lie outside of them.
        others: name and file of those beside ``files`` that have another extension.
        problems: names that occur twice.
    """

    files: dict[str, Path]
    deeper: list[Path]
    beside: list[Path]
    others: list[tuple[str, Path]]
    problems: list[DataError]

    def other_pictures(self, known: Collection[str]) -> str:
        """Pictures of other extensions in words, with their number and the cure; empty if there are none.

        Args:
            known: names of files that count. Others of these names are copies, such as a camera's own file.
        """
        by_suffix: dict[str, list[Path]] = {}
        for name, path in self.others:
            if name not in known:
                by_suffix.setdefault(path.suffix, []).append(path)
        found = {suffix: (len(paths), kind_of_file(paths[0])) for suffix, paths in by_suffix.items()}
        parts = [
            f"{count} {f'{suffix} ' if suffix else ''}{'file' if count == 1 else 'files'} ({kind})"
            for suffix, (count, kind) in found.items()
            if kind in PICTURES
        ]
        return f"{' and '.join(parts)} there do not count: save them as PNG" if parts else ""


def root_folder(options: DataOptions, holds: str, variable: str | None = None) -> Path:
    """``data.root``, or the folder that the environment variable names.

    Raises:
        InputError: neither is given, or there is no such folder, or a folder in it is meant.
    """
    root = given_folder(options, holds, variable)
    check_root(root, holds)
    return root


def given_folder(options: DataOptions, holds: str, variable: str | None = None) -> Path:
    """Like ``root_folder``, whatever the folder holds.

    Raises:
        InputError: no folder is given, or there is no such folder.
    """
    given = options.root or (os.environ.get(variable) if variable else None)
    if not given:
        places = f"data.root or the environment variable {variable}" if variable else "data.root"
        raise InputError(f"{options.name}: no folder given; set {places} to the folder that holds {holds}")
    root = Path(given).expanduser()
    if os.path.isfile(root):
        raise InputError(f"{root}: a file and no folder; unpack it if it is an archive, and give the folder")
    if not os.path.isdir(root):  # Path.is_dir raises on a name that is too long
        places = f"data.root (or {variable})" if variable else "data.root"
        raise InputError(f"{root}: no such folder; {places} must hold {holds}")
    return root


def match(images: Folder, labels: Folder, layout: str) -> tuple[list[tuple[str, Path, Path]], list[DataError]]:
    """Name, image and label of every image that has a label, sorted by name, and a list of problems.

    Args:
        images: where images are.
        labels: where labels are.
        layout: which folders must be there, for messages.
    """
    missing = [folder.path for folder in (images, labels) if not folder.path.is_dir()]
    if missing:
        return [], [
            DataError("missing folder", path, f"{path}: no such folder{deeper_folder(path)}; {layout}")
            for path in missing
        ]
    try:
        of_images, of_labels = images.files(), labels.files()
    except DataError as error:
        return [], [error]
    image_files, label_files = of_images.files, of_labels.files
    problems = [*of_images.problems, *of_labels.problems]
    if not image_files:
        what = "no folder of images" if images.nested else f"no {images.kinds} image"
        where = "; ".join(filter(None, (f"holds {what}{_where(of_images)}", of_images.other_pictures(()))))
        problems.append(DataError("no images", images.path, f"{images.path}: {where}; {layout}"))
    if image_files and of_images.deeper:
        text = f"{images.path}: {in_words(of_images.deeper)} in folders inside of it are not used; move them up"
        problems.append(DataError("deeper images", images.path, text, stops=False))
    if image_files and (others := of_images.other_pictures(image_files)):
        problems.append(DataError("other pictures", images.path, f"{images.path}: {others}", stops=False))
    if image_files and not label_files and (where := _where(of_labels, image_files)):
        text = f"{labels.path}: holds no {labels.kinds} label{where}"
        return [], [*problems, DataError("missing label", labels.path, text)]
    pairing = pair_names(image_files, label_files)
    if pairing.how:
        image, label = next(
            (image_files[one], label_files[other]) for one, other in sorted(pairing.pairs.items()) if one != other
        )
        text = (
            f"{labels.path}: names of images and labels differ {pairing.how}; {image.name} is paired with {label.name}"
        )
        problems.append(DataError("names differ", labels.path, text, stops=False))
    unlabelled = {name: image_files[name] for name in sorted(image_files.keys() - pairing.pairs.keys())}
    paired = {label_files[label].name for label in pairing.pairs.values()}
    if images.path == labels.path:
        paired |= {image.name for image in image_files.values()}  # an image is no label of another name
    problems += _missing_labels(unlabelled, labels, pairing, paired, of_labels.deeper)
    for name in sorted(label_files.keys() - set(pairing.pairs.values())):
        text = f"{label_files[name]}: has no image in {images.path}; it is not used"
        problems.append(DataError("label without image", label_files[name], text, stops=False))
    pairs = sorted(pairing.pairs.items())
    return [(name, image_files[name], label_files[label]) for name, label in pairs], problems


def find_splits(
    folders: Mapping[str, tuple[Folder, Folder]], read_label: ReadLabel, limit: int | None, layout: str
) -> tuple[dict[str, list[Sample]], list[DataError]]:
    """The samples of each split from its folders of images and labels, and a list of problems."""
    splits: dict[str, list[Sample]] = {}
    problems: list[DataError] = []
    for split, (images, labels) in folders.items():
        pairs, wrong = match(images, labels, layout)
        splits[split] = make_samples(pairs, read_label, limit)
        problems += wrong
    return splits, problems


def make_samples(pairs: list[tuple[str, Path, Path]], read_label: ReadLabel, limit: int | None) -> list[Sample]:
    """At most ``limit`` samples, evenly spaced over the names."""
    return [Sample(*pair, partial(read_pair, *pair[1:], read_label)) for pair in evenly(pairs, limit)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError("missing folder", folder, f"{folder}: cannot be listed ({error.strerror})") from None


def _where(listing: Listing, images: Collection[str] = ()) -> str:
    """What is said of an empty folder whose files lie deeper, or not deep enough."""
    if listing.deeper:
        parents = Counter(path.parent.name for path in listing.deeper)
        if any(count > 1 and name in images for name, count in parents.items()):
            return f", but {in_words(listing.deeper)}, {OBJECTS}"
        return f", but {in_words(listing.deeper)} lie deeper in it: {rename_splits(parents) or 'move them up'}"
    return (
        f", but {in_words(listing.beside)} lie in it directly: move them into an inner folder" if listing.beside else ""
    )


def _missing_labels(
    images: Mapping[str, Path], labels: Folder, pairing: Pairing, paired: Collection[str], deeper: Sequence[Path]
) -> list[DataError]:
    """An error for each image; it names the file that lies beside the missing one under another name or extension."""
    neighbours: dict[Path, Neighbours] = {}
    problems = []
    inside = {path.name: path for path in deeper}
    for name, image in images.items():
        folder = labels.path / image.parent.name if labels.nested else labels.path
        if folder not in neighbours:
            names = (path.name for path in folder.glob("*") if not path.name.startswith("."))
            neighbours[folder] = Neighbours(other for other in names if other not in paired)
        of_image, of_label = pairing.endings
        label = folder / f"{name.removesuffix(of_image)}{of_label}{labels.tail}{labels.extensions[0]}"
        objects = [
            other for other in neighbours[folder].numbered(name) if Path(other).suffix.lower() in labels.extensions
        ]
        if label.name in inside:
            hint = f" ({inside[label.name]} lies deeper: move it up)"
        elif len(objects) > 1:
            hint = f" ({', '.join(objects[:2])}{', ...' * (len(objects) > 2)} lie there, {OBJECTS})"
        else:
            hint = _hint(neighbours[folder].near(name), f"{name}{labels.tail}", labels, pairing)
        text = f"{image}: its label {label} is missing{hint}; add it, or remove the image"
        problems.append(DataError("missing label", image, text))
    return problems


def _hint(other: str | None, name: str, labels: Folder, pairing: Pairing) -> str:
    """What is said of the file that lies beside a missing label."""
    if other is None:
        return ""
    if Path(other).suffix.lower() not in labels.extensions:
        return f" ({other} does not count: labels are {', '.join(labels.extensions)}, which keep every value)"
    if any(mark in Path(other).stem.removeprefix(name.removesuffix(labels.tail)) for mark in OTHER_KINDS):
        return f" ({other} lies there, which holds other values: make the right kind, do not rename it)"
    if pairing.rivals:
        return f" ({other} lies there, but several names fit: {', '.join(pairing.rivals)}; keep one kind)"
    return f" ({other} lies there: rename it to {name}{Path(other).suffix})"
