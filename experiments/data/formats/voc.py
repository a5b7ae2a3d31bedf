"""Pascal VOC's folders (Everingham et al., 2010), as CVAT exports masks: ``JPEGImages`` and ``SegmentationClass``.

``ImageSets/Segmentation/*.txt`` list the images of each split, and ``labelmap.txt`` the colour of each class, in lines
such as ``cat:64,0,0::``. Masks are colours or have a palette of them. LabelMe's converter writes ``class_names.txt``
instead, with the name of each index in a line. Rules:
- VOC's border, colour (224, 224, 192), is ignored unless it is a class.
- An image that no list names, or without lists one that has no mask, is not used.
"""

from collections.abc import Sequence
from pathlib import Path

from experiments.data.faults import absent, broken, imageless, listless, nameless
from experiments.data.files import DataError, read_bytes
from experiments.data.formats.label_format import LabelFormat
from experiments.data.formats.tree import Tree, case_remark, split_in
from experiments.data.formats.values import Found, count_masks
from experiments.data.listing import IMAGES
from experiments.data.pairing import fold
from experiments.data.sets.class_file import ClassList, Entry, check_entries, find_class_file, read_class_file
from experiments.data.sets.folder import Pairs, mask_source
from experiments.data.sets.masks import MASKS
from experiments.data.source import DataSource
from experiments.options.groups import DataOptions

TITLE = "Pascal VOC masks"
NAMES = "class_names.txt"
MAP, PHOTOS, CLASS_MASKS, LISTS = "labelmap.txt", "JPEGImages", "SegmentationClass", "ImageSets"
BORDER = (224, 224, 192)
RULES = "VOC's border is ignored, images without a mask are not used"


def seen(tree: Tree) -> list[str]:
    """The list of colours, and the folder of masks."""
    names = [tree.name_of(path) for path in tree.by_suffix(".txt", depth=0) if path.name.lower() == MAP]
    return [*names, *sorted({f"{tree.name_of(path.parent)}/" for path in _files(tree, CLASS_MASKS, MASKS)})]


def find(tree: Tree, options: DataOptions) -> DataSource:
    """The data set.

    Raises:
        InputError: colours or lists are wrong, or a folder is missing.
    """
    classes = _read_classes(tree, options)
    images, masks = _files(tree, PHOTOS, IMAGES), _files(tree, CLASS_MASKS, MASKS)
    if not images:
        hint = "export again with the images, or copy them there"
        raise absent(tree.root / PHOTOS, "a folder with images", hint)
    if not masks:
        raise absent(tree.root / CLASS_MASKS, "a folder with masks", "export again as segmentation masks")
    parts: Pairs = {}
    problems: list[DataError] = []
    by_name = {folder: _by_name(paths, folder) for folder, paths in ((PHOTOS, images), (CLASS_MASKS, masks))}
    for split, (path, names) in _named_splits(tree, masks).items():
        spelt = []
        parts[split] = []
        if not names:
            problems.append(listless(path))
        for where, name in names:
            image, mask = (by_name[folder].get(fold(name)) for folder in (PHOTOS, CLASS_MASKS))
            if image is None:
                problems.append(imageless(path, where, name))
            elif mask is None:
                label = tree.root / CLASS_MASKS / f"{name}{MASKS[0]}"
                text = f"{image}: its label {label} is missing; add it, or remove the image"
                problems.append(DataError("missing label", image, text))
            else:
                parts[split].append((name.replace("/", "_"), image, mask))
                spelt.append((name, image))
        problems += case_remark(spelt, path)
    used = {image for pairs in parts.values() for _, image, _ in pairs}
    others = [image for image in images if image not in used]
    if others and not any(problem.stops for problem in problems):
        what = "1 image is" if len(others) == 1 else f"{len(others)} images are"
        text = f"{others[0]}: {what} in no list, or without a mask, and not used"
        problems.append(DataError("unlisted image", others[0], text, stops=False))
    rules = f"{TITLE} ({classes.path.name}): {RULES}"
    return mask_source(tree.root, options, classes, parts, problems, rules)


def count(tree: Tree) -> Found:
    """Values of the masks."""
    return count_masks(_files(tree, CLASS_MASKS, MASKS))


FORMAT = LabelFormat("voc", TITLE, seen, find, count)


def _files(tree: Tree, folder: str, suffixes: Sequence[str]) -> list[Path]:
    """Files in the folder of this name, and in folders of it."""
    key = folder.casefold()
    return [path for path in tree.by_suffix(*suffixes) if tree.name_of(path).casefold().startswith(f"{key}/")]


def _by_name(paths: Sequence[Path], folder: str) -> dict[str, Path]:
    """Folded name behind the folder's, without ending -> file."""
    result = {}
    for path in paths:
        place = next(parent for parent in path.parents if parent.name.casefold() == folder.casefold())
        result[fold(path.relative_to(place).with_suffix("").as_posix())] = path
    return result


def _named_splits(tree: Tree, masks: Sequence[Path]) -> dict[str, tuple[Path, list[tuple[str, str]]]]:
    """Split -> the file that lists it, and its names with their places; masks stand for lists that are not there."""
    files: dict[str, Path] = {}
    for path in tree.by_suffix(".txt"):
        if tree.name_of(path).casefold().startswith(f"{LISTS.casefold()}/segmentation/"):
            files[split_in(path.stem)] = path
    if "train" in files and "val" in files:
        files.pop("", None)  # trainval
    if not files:
        folder = next(parent for parent in masks[0].parents if parent.name.casefold() == CLASS_MASKS.casefold())
        names = [path.relative_to(folder).with_suffix("").as_posix() for path in masks]
        return {"": (folder, [(name, name) for name in names])}
    splits = {}
    for split, path in files.items():
        lines = read_bytes(path).decode("utf-8-sig", "replace").splitlines()
        named = [(f"line {number}", line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
        splits[split] = (path, [(where, _without_ending(name)) for where, name in named])
    return splits


def _without_ending(name: str) -> str:
    """Names in lists have no ending, and may hold dots."""
    return name.rpartition(".")[0] if name.lower().endswith(IMAGES) else name


def _read_classes(tree: Tree, options: DataOptions) -> ClassList:
    files = {path.name.lower(): path for path in tree.by_suffix(".txt", depth=0)}
    if options.classes is None and MAP in files:
        return _read_map(files[MAP])
    if options.classes is None and NAMES in files:
        return _read_names(files[NAMES])
    return read_class_file(find_class_file(tree.root, options.classes))


def _read_map(path: Path) -> ClassList:
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise broken(path, "text", "it is not UTF-8 text") from None
    entries, places = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, *rest = line.split(":")
        try:
            red, green, blue = (int(part) for part in rest[0].split(","))
        except (IndexError, ValueError):
            reason = f"line {number}: expected name:red,green,blue::"
            raise broken(path, "list of colours", reason) from None
        if not all(0 <= channel <= 255 for channel in (red, green, blue)):
            raise broken(path, "list of colours", f"line {number}: colours are from 0 to 255")
        if not name.strip():
            raise nameless(path, f"line {number}", (red, green, blue), path.name)
        entries.append(Entry(name.strip(), None, (red, green, blue), False))
        places.append(f"{path}: line {number}")
    if BORDER not in {entry.colour for entry in entries}:
        entries.append(Entry("border", None, BORDER, True))
        places.append(f"{path}: border")
    check_entries(path, entries, places)
    background = [entry for entry in entries if entry.name.casefold() == "background"]
    return ClassList(path, (*background, *(entry for entry in entries if entry not in background)))


def _read_names(path: Path) -> ClassList:
    lines = [line.strip() for line in read_bytes(path).decode("utf-8-sig", "replace").splitlines() if line.strip()]
    entries = [Entry(line, index, None, False) for index, line in enumerate(lines)]
    check_entries(path, entries, [f"{path}: line {entry.id}" for entry in entries])
    return ClassList(path, tuple(entries))
