"""What may be wrong with a set of labels: each kind of fault in the same words, whatever the format."""

from collections.abc import Sequence
from pathlib import Path

from experiments.data.files import DataError


def broken(path: Path, what: str, reason: str) -> DataError:
    """A file that cannot be read as what it is: JSON, YAML, or text."""
    return DataError("broken file", path, f"{path}: not valid {what}: {reason}; correct it, or export it again")


def absent(path: Path, what: str, hint: str) -> DataError:
    """A file or folder that the format needs."""
    return DataError("missing file", path, f"{path}: {what} is not there; {hint}")


def lacking(path: Path, where: str, key: str) -> DataError:
    """An entry without a key, or with a value of another kind."""
    return DataError("missing key", path, f"{path}: {where}: {key} is missing or wrong; correct it, or export it again")


def twice(path: Path, where: str, key: str, value: object) -> DataError:
    """A number or name that must be unique."""
    return DataError("given twice", path, f"{path}: {where}: {key} {value} is given twice; give each its own")


def nameless(path: Path, where: str, index: object, names: str) -> DataError:
    """A class that is used and has no name."""
    return DataError("no class name", path, f"{path}: {where}: class {index} has no name in {names}; add it there")


def imageless(path: Path, where: str, image: str) -> DataError:
    """A label whose image is not there."""
    text = f"{path}: {where}: its image {image} is not there; copy it there, or remove the entry"
    return DataError("missing image", path, text)


def listless(path: Path) -> DataError:
    """A split's list without a name: nobody means a split of no image."""
    text = f"{path}: lists no image; write the names of its images there, or remove the file"
    return DataError("no images", path, text)


def outside(path: Path, where: str, size: tuple[int, int], hint: str) -> DataError:
    """An object that lies outside of its image."""
    height, width = size
    text = f"{path}: {where}: the outline lies outside of the image, height x width {height}x{width}; {hint}"
    return DataError("outside", path, text)


def pointless(path: Path, where: str, reason: str) -> DataError:
    """An object that has no area that could be drawn."""
    return DataError("no outline", path, f"{path}: {where}: {reason}; draw a polygon, or export it as segmentation")


def wrong_mask(path: Path, where: str, reason: str) -> DataError:
    """A run-length code, or an object's mask, that does not fit its image."""
    return DataError("wrong mask", path, f"{path}: {where}: the mask {reason}; export it again")


def unlabelled(path: Path) -> DataError:
    """A set without any object."""
    return DataError("no labels", path, f"{path}: no object is labelled; label some images, and export it again")


def differing(path: Path, other: Path, reason: str) -> DataError:
    """Files of two splits that contradict each other."""
    return DataError("classes differ", path, f"{path} and {other}: {reason}; export all splits together")


def several(path: Path, what: str, names: Sequence[str]) -> DataError:
    """More than one file where one is meant."""
    listed = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
    return DataError("several files", path, f"{path}: {len(names)} {what} ({listed}); keep one of them")
