"""YOLO polygons (Ultralytics, https://docs.ultralytics.com/datasets/segment): a text file for each image.

Each line is a class and ``x y`` of three points or more, as shares of width and height. ``data.yaml`` names classes and
folders; ``images`` in the path of an image becomes ``labels`` in that of its text file. Rules:
- Smaller objects lie over larger ones, as Ultralytics draws them.
- A line is one polygon without holes.
- Images without a text file, or with an empty one, are background.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from experiments.data.faults import absent, broken, imageless, lacking, nameless, pointless, twice
from experiments.data.files import DataError, read_bytes
from experiments.data.formats.json_file import head_of
from experiments.data.formats.label_format import Classes, LabelFormat, drawn_source, refuse_options
from experiments.data.formats.shapes import Drawing, Polygons, Shape, as_points
from experiments.data.formats.tree import Tree, case_remark
from experiments.data.formats.values import Found, count_objects
from experiments.data.pairing import fold
from experiments.data.parallel import in_threads
from experiments.data.sets.class_file import NAMES as CLASS_FILES
from experiments.data.sets.class_file import PROPOSE, class_files, find_class_file, read_class_file
from experiments.data.source import DataSource
from experiments.options.groups import DataOptions
from experiments.options.yaml_text import load_yaml
from nas_space.errors import InputError

TITLE = "YOLO labels"
LISTS = ("classes.txt", "obj.names")
"""Files of class names, one a line, that other tools write in place of ``data.yaml``."""
RULES = (
    "smaller objects lie over larger ones, an outline has no holes, images without a text file, or with an empty one, "
    "are background"
)
KEYS = ("train", "val", "test")
MASKS = "masks_dir"
"""With this key, Ultralytics reads masks."""
DEEPEST = 2
"""Levels of folders that text files lie in where no ``data.yaml`` says so."""
Row = tuple[int, Polygons]
"""Class and outline of one line."""


def seen(tree: Tree) -> list[str]:
    """``data.yaml``, or text files of labels."""
    found = [tree.name_of(path) for path in (_yaml_file(tree),) if path is not None]
    return found or [f"{tree.name_of(path.parent)}/*.txt" for path in _label_files(tree)[:1]]


def find(tree: Tree, options: DataOptions) -> DataSource:
    """The data set.

    Raises:
        InputError: ``data.yaml`` is wrong, or nothing names the classes.
    """
    refuse_options(options, TITLE, "labels", "threshold")
    settings = _yaml_file(tree)
    content = {} if settings is None else _read_yaml(settings)
    if settings is not None and content.get(MASKS):
        hint = "give --data.format masks and a file of classes, with their names and values"
        raise InputError(f"{settings}: {MASKS}: labels are masks, and no text files; {hint}")
    split_images = _images_by_folder(tree) if settings is None else _listed_images(tree, settings, content)
    texts = {fold(tree.name_of(path)): path for path in tree.by_suffix(".txt")}
    names, source = _names(tree, options, settings, content)
    indices, classes = list(names), Classes(names.values(), source)
    places = {index: classes.indices[names[index]] for index in indices}
    pairs: dict[str, list[tuple[Path, Drawing]]] = {}
    problems: list[DataError] = []
    used: set[Path] = set()
    for split, images in split_images.items():
        labels = [texts.get(_key_of_label(tree, image)) for image in images]
        looks = in_threads(_read_or_error, labels, "labels: YOLO")
        pairs[split] = []
        for image, path, rows in zip(images, labels, looks, strict=True):
            if isinstance(rows, DataError):
                problems.append(rows)
                continue
            unnamed = next((one for one in rows if one[0] not in places), None)
            if unnamed is not None and path is not None:
                problems.append(nameless(path, unnamed[1].where, unnamed[0], source.name))
                continue
            shapes = tuple(Shape(places[index], polygon) for index, polygon in rows)
            pairs[split].append((image, Drawing(path or image, shapes, is_by_area=True)))
            used |= set() if path is None else {path}
        problems += _told_empty(split, pairs[split])
    labelled = [(drawing.path.stem, image) for found in pairs.values() for image, drawing in found]
    problems += [*_strays(tree, used, problems), *case_remark(labelled, tree.root)]
    return drawn_source(tree, options, classes, pairs, problems, f"{TITLE} (classes: {source.name}): {RULES}")


def count(tree: Tree) -> Found:
    """Objects of each class index, in all text files that can be read."""
    return count_objects(_count_classes(tree), tree.root)


FORMAT = LabelFormat("yolo", TITLE, seen, find, count)


def _count_classes(tree: Tree) -> dict[int, int]:
    counts: dict[int, int] = {}
    for rows in in_threads(_read_or_error, _label_files(tree), "labels: YOLO"):
        for index, _ in rows if not isinstance(rows, DataError) else ():
            counts[index] = counts.get(index, 0) + 1
    return dict(sorted(counts.items()))


def _yaml_file(tree: Tree) -> Path | None:
    """The file that names classes and splits; a file of our own classes is none."""
    files = [path for path in tree.by_suffix(".yaml", ".yml", depth=0) if path.name not in CLASS_FILES]
    marked = [path for path in files if path.stem.lower() in ("data", "dataset")]
    return next(iter(marked or [path for path in files if b"names:" in head_of(path)]), None)


def _label_files(tree: Tree) -> list[Path]:
    """Text files of the images, whatever they hold."""
    keys = {_key_of_label(tree, image) for image in tree.images}
    return [path for path in tree.by_suffix(".txt", depth=DEEPEST) if fold(tree.name_of(path)) in keys]


def _key_of_label(tree: Tree, image: Path) -> str:
    """The folded name of an image's text file: the last folder ``images`` of its path becomes ``labels``."""
    *folders, name = PurePosixPath(tree.name_of(image)).parts
    for place in range(len(folders) - 1, -1, -1):
        if folders[place].casefold() == "images":
            folders[place] = "labels"
            break
    return fold(PurePosixPath(*folders, name).with_suffix(".txt").as_posix())


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = load_yaml(read_bytes(path).decode("utf-8-sig"), as_text=True)  # a class may be called no
    except UnicodeDecodeError:
        raise broken(path, "YAML", "it is not UTF-8 text") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise broken(path, "YAML", " ".join(str(error).split())) from None
    if not isinstance(content, dict):
        raise broken(path, "YAML", "it holds no keys")
    return content


def _names(
    tree: Tree, options: DataOptions, settings: Path | None, content: Mapping[str, Any]
) -> tuple[dict[int, str], Path]:
    """Class index -> name, and the file that says so."""
    if settings is not None and options.classes is None:
        return _names_of(settings, content.get("names")), settings
    path = next((path for path in tree.by_suffix(".txt", ".names", depth=0) if path.name.lower() in LISTS), None)
    if path is not None and options.classes is None:
        text = read_bytes(path).decode("utf-8-sig", "replace")
        return _names_of(path, [line.strip() for line in text.splitlines() if line.strip()]), path
    if options.classes is None and not class_files(tree.root):
        counts = ", ".join(f"{index} ({count} objects)" for index, count in _count_classes(tree).items())
        raise InputError(f"{tree.root}: no data.yaml names the classes {counts or 'of its labels'}; {PROPOSE}")
    file = read_class_file(find_class_file(tree.root, options.classes))
    return {entry.id: entry.name for entry in file.classes if entry.id is not None}, file.path


def _names_of(path: Path, names: Any) -> dict[int, str]:
    pairs = (
        list(enumerate(names)) if isinstance(names, list) else list(names.items()) if isinstance(names, dict) else []
    )
    if not pairs:
        raise lacking(path, "the file", "names")
    result: dict[int, str] = {}
    for index, name in pairs:
        number = str(index)
        if not (number.isascii() and number.isdigit() and len(number) < 10) or not isinstance(name, str) or not name:
            raise nameless(path, "names", index, path.name)
        if name.strip() in result.values():
            raise twice(path, "names", "name", name)
        result[int(number)] = name.strip()
    return dict(sorted(result.items()))


def _listed_images(tree: Tree, settings: Path, content: Mapping[str, Any]) -> dict[str, list[Path]]:
    """Images of each split that ``data.yaml`` names."""
    base = content.get("path")
    base = base if isinstance(base, str) else ""
    found: dict[str, list[Path]] = {}
    for split in KEYS:
        entries = content.get("val", content.get("valid")) if split == "val" else content.get(split)
        if not entries:
            continue
        listed = entries if isinstance(entries, list) else [entries]
        places = [_place(tree, base, str(entry)) for entry in listed]
        if None in places:
            if split == "test":  # some tools name one that they do not write
                continue
            wrong = listed[places.index(None)]
            raise absent(settings, f"{split}: {wrong}", "correct the path, or copy what it names into this folder")
        found[split] = sorted({image for place in places if place for image in _images_at(tree, place)})
    if not found:
        raise lacking(settings, "the file", "train")
    return found


def _place(tree: Tree, base: str, entry: str) -> Path | None:
    """The folder or list that is meant: paths are those of the machine that wrote them, so their ends count."""
    for given in (PurePosixPath(base.replace("\\", "/"), entry.replace("\\", "/")), PurePosixPath(entry)):
        parts = [part for part in given.parts if part not in ("..", ".", "/")]
        for start in range(len(parts)):
            place = tree.root.joinpath(*parts[start:])
            if os.path.exists(place):  # Path.exists raises on a name that is too long
                return place
        if not parts:
            return tree.root
    return None


def _images_at(tree: Tree, place: Path) -> list[Path]:
    if place.is_dir():
        return [image for image in tree.images if place in image.parents]
    lines = [line.strip() for line in read_bytes(place).decode("utf-8-sig", "replace").splitlines() if line.strip()]
    images = []
    for number, line in enumerate(lines, 1):
        found = _place(tree, "", line)
        if found is None:
            raise imageless(place, f"line {number}", line)
        images.append(found)
    return images


def _images_by_folder(tree: Tree) -> dict[str, list[Path]]:
    """Images whose text files, or whose neighbours', are there, by the split that their folders name."""
    folders = {fold(tree.name_of(path.parent)) for path in _label_files(tree)}
    found: dict[str, list[Path]] = {}
    for image in tree.images:
        if PurePosixPath(_key_of_label(tree, image)).parent.as_posix() in folders:
            found.setdefault(tree.split_of(image), []).append(image)
    return found


def _read_or_error(path: Path | None) -> list[Row] | DataError:
    try:
        return [] if path is None else _read_rows(path)
    except DataError as error:
        return error


def _read_rows(path: Path) -> list[Row]:
    """The lines of a text file.

    Raises:
        DataError: a line is no class with a polygon.
    """
    rows: list[Row] = []
    for number, line in enumerate(read_bytes(path).decode("utf-8-sig", "replace").splitlines(), 1):
        where, words = f"line {number}", line.split()
        if not words:
            continue
        try:
            index, numbers = float(words[0]), [float(word) for word in words[1:]]
        except ValueError:
            raise broken(path, "YOLO label", f"{where} holds something else than numbers") from None
        if not index.is_integer() or index < 0:
            raise broken(path, "YOLO label", f"{where} begins with {words[0]}, which is no class index")
        if len(numbers) == 4:
            raise pointless(path, where, "four numbers are a box and no outline")
        if len(numbers) % 2:
            raise pointless(path, where, f"{len(numbers)} numbers are no pairs of x and y")
        rows.append((int(index), Polygons(path, where, (as_points(path, where, numbers),), True)))
    return rows


def _told_empty(split: str, pairs: Sequence[tuple[Path, Drawing]]) -> list[DataError]:
    """A remark on images without a text file: one that was lost looks the same."""
    without = [image for image, drawing in pairs if drawing.path == image]
    if not without:
        return []
    what = "1 image has" if len(without) == 1 else f"{len(without)} of {len(pairs)} images have"
    text = f"{without[0]}: {what} no text file{f' in {split}' if split else ''}; all of it is background"
    return [DataError("no label file", without[0], text, stops=False)]


def _strays(tree: Tree, used: set[Path], problems: Sequence[DataError]) -> list[DataError]:
    """A remark for each text file in a folder of labels that belongs to no image."""
    folders = {path.parent for path in used}
    wrong = {problem.file for problem in problems}
    strays = [
        path
        for path in tree.by_suffix(".txt")
        if path.parent in folders and path not in used | wrong and path.name.lower() not in LISTS
    ]
    text = "{0}: has no image; it is not used"
    return [DataError("label without image", path, text.format(path), stops=False) for path in strays]
