"""Where images and masks lie in a plain folder: in folders of their own, or side by side, divided or not.

The names that docs/own_photos.md gives come first: ``train`` and ``val``, ``images`` and ``masks``. Other tools write
``valid``, ``imgs``, ``labels``, or a mask beside its image, with an ending.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.data.files import DataError
from experiments.data.listing import IMAGES, Folder
from experiments.data.misplaced import SPLITS, inner_folders
from experiments.data.sets.masks import MASKS

IMAGE_FOLDERS = ("images", "image", "imgs", "img")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "annotation")
"""Names of the two folders; the first one is ours. Case does not count."""
ENDINGS = tuple(
    f"{mark}{word}" for mark in "_-" for word in ("mask", "masks", "label", "labels", "annotation", "annotations")
)
"""What ends the name of a mask that lies beside its image. Case counts: a program writes it."""
Two = tuple[Folder, Folder]
"""Folders of images and of masks."""


@dataclass(frozen=True)
class Layout:
    """Folders of images and masks.

    Args:
        splits: those of each split; empty where the set is not divided.
        undivided: those of the whole set, where it is not.
        is_usual: the names are those of docs/own_photos.md.
    """

    splits: Mapping[str, Two]
    undivided: Two
    is_usual: bool = False

    @property
    def pairs(self) -> list[Two]:
        return list(self.splits.values()) or [self.undivided]

    def holds_masks(self) -> bool:
        """Whether there is an image and a mask anywhere."""
        return any(_has_files(images) and _has_files(masks) for images, masks in self.pairs)


def find_layout(root: Path) -> Layout:
    """The first layout that is there; plain ``images`` and ``masks`` where none is.

    Raises:
        DataError: masks lie beside the images with two different endings.
    """
    plain = Folder(root / "images", IMAGES), Folder(root / "masks", MASKS)
    for is_usual in (True, False):
        images, masks = (_inner(root, names[:1] if is_usual else names) for names in (IMAGE_FOLDERS, MASK_FOLDERS))
        names = {split: (split,) if is_usual else (split, *SPLITS[split]) for split in SPLITS}
        if any(_inner(root, names[split]).is_dir() for split in ("train", "val")):
            return Layout(_splits({split: _inside(_split(root, split)) for split in SPLITS}), plain, is_usual)
        if _inner(images, names["train"]).is_dir():
            others = {split: (_split(images, split), _split(masks, split)) for split in SPLITS}
            folders = {split: (Folder(one, IMAGES), Folder(two, MASKS)) for split, (one, two) in others.items()}
            return Layout(_splits(folders), plain, is_usual)
        if images.is_dir() and masks.is_dir():
            return Layout({}, (Folder(images, IMAGES), Folder(masks, MASKS)), is_usual)
    return Layout({}, _beside(root) or plain)


def _splits(folders: dict[str, Two]) -> dict[str, Two]:
    if not all(folder.path.is_dir() for folder in folders["test"]):
        del folders["test"]
    return folders


def _split(folder: Path, split: str) -> Path:
    return _inner(folder, (split, *SPLITS[split]))


def _inner(folder: Path, names: Collection[str]) -> Path:
    """The inner folder that has one of the names, the first if it can be; where none has, the first name."""
    first = next(iter(names))
    if (folder / first).is_dir() or len(names) == 1:
        return folder / first
    return next((inner for inner in inner_folders(folder) if inner.name.casefold() in names), folder / first)


def _inside(folder: Path) -> Two:
    """Images and masks of a split's folder: in two folders, or side by side."""
    images, masks = _inner(folder, IMAGE_FOLDERS), _inner(folder, MASK_FOLDERS)
    beside = None if images.is_dir() or masks.is_dir() else _beside(folder)
    return beside or (Folder(images, IMAGES), Folder(masks, MASKS))


def _beside(folder: Path) -> Two | None:
    """Images and masks that lie side by side; None where they do not.

    Raises:
        DataError: two endings fit.
    """
    try:
        pictures = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES and path.name[0] != "."]
    except OSError:
        return None
    stems = {path.stem for path in pictures}
    masks = [path.stem for path in pictures if path.suffix.lower() in MASKS]
    found = [end for end in ENDINGS if any(stem.endswith(end) and stem.removesuffix(end) in stems for stem in masks)]
    if len(found) > 1:
        kinds = " and ".join(repr(end) for end in found)
        text = f"{folder}: masks lie beside the images with several endings, {kinds}; keep one kind"
        raise DataError("several endings", folder, text)
    return (Folder(folder, IMAGES, without=found[0]), Folder(folder, MASKS, found[0])) if found else None


def _has_files(folder: Folder) -> bool:
    try:
        return bool(folder.files().files)
    except DataError:
        return False
