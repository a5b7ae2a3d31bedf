"""LabelMe JSON (https://github.com/wkentaro/labelme): a file for each image, beside it or in a folder of its own.

Polygons, rectangles, circles, lines, points and small masks. Rules, as LabelMe's own converters have them:
- Later shapes lie over earlier ones.
- Lines are 10 pixels wide, points have a radius of 5.
- Shapes ``__ignore__`` are ignored, shapes ``_background_`` are background, and so is a file without shapes.
- An image without a file is not used.
- Classes are in the order of ``labels.txt``, if it is there, else by name.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from experiments.data.faults import absent, imageless, lacking, nameless, pointless, several, wrong_mask
from experiments.data.files import DataError, read_bytes
from experiments.data.formats.json_file import has_list, head_of, read_object, rows_of, size_of, value_of
from experiments.data.formats.label_format import Classes, LabelFormat, drawn_source, refuse_options
from experiments.data.formats.shapes import Code, Drawing, Pixels, Points, Polygons, Shape, as_points, check_inside
from experiments.data.formats.tree import Tree, case_remark
from experiments.data.parallel import in_threads
from experiments.data.source import DataSource
from experiments.options.groups import IGNORE, DataOptions

TITLE = "LabelMe labels"
NAMES, IGNORED = "labels.txt", "__ignore__"
LINE, RADIUS, CORNERS = 10, 5, 64
"""Width of a line and radius of a point, in pixels; corners of a polygon that stands for a circle."""
LOOKED_AT = 20
DEEPEST = 2
"""Levels of folders that files lie in."""
RULES = (
    "later shapes lie over earlier ones, lines are 10 pixels wide, points have a radius of 5, __ignore__ is ignored, "
    "images without a file are not used"
)
Row = tuple[str, str, Any]
"""Place in the file, class, and what encodes the shape."""


def seen(tree: Tree) -> list[str]:
    """JSON files with shapes, or, where they are broken, those that have the name of an image."""
    files = _files(tree)
    names = [tree.name_of(path) for path in files[:1]]
    return [*names, f"{len(files) - 1} more"] if len(files) > 1 else names


def find(tree: Tree, options: DataOptions) -> DataSource:
    """The data set.

    Raises:
        InputError: the file of names is wrong, or a single image cannot be divided.
    """
    refuse_options(options, TITLE, "classes", "labels", "threshold")
    files = _files(tree)
    if not files:
        raise absent(tree.root, "a JSON file with shapes", "save the labels beside the images")
    problems: list[DataError] = []
    read: list[tuple[Path, Path, tuple[int, int], list[Row]]] = []
    spelt: list[tuple[str, Path]] = []
    for path, look in zip(files, in_threads(_read_or_error, files, "labels: LabelMe"), strict=True):
        if isinstance(look, DataError):
            problems.append(look)
            continue
        name, size, rows = look
        found = tree.find_image(name, [path.parent], tree.split_of(path))
        if len(found) == 1:
            read.append((path, found[0], size, rows))
            spelt.append((name, found[0]))
        elif found:
            problems.append(several(path, f"images are called {name}", [tree.name_of(one) for one in found]))
        else:
            problems.append(imageless(path, "imagePath", name))
    used = {name for _, _, _, rows in read for _, name, _ in rows} - {IGNORED}
    names, source = _names(tree, used)
    pairs: dict[str, list[tuple[Path, Drawing]]] = {}
    # Nothing names a class where no object is labelled, which is told of the whole set.
    classes = Classes(names or ["object"], source)
    for path, image, size, rows in read:
        unnamed = next((row for row in rows if row[1] != IGNORED and row[1] not in classes.indices), None)
        if unnamed is not None:
            problems.append(nameless(path, unnamed[0], unnamed[1], source.name))
            continue
        shapes = tuple(Shape(_index(classes, name), encode) for _, name, encode in rows)
        pairs.setdefault(tree.split_of(image), []).append((image, Drawing(path, shapes, size)))
    problems += [*case_remark(spelt, tree.root), *_unlabelled(tree, {image for _, image, _, _ in read})]
    where = tree.name_of(source) if source.is_file() else f"{len(files)} files"
    return drawn_source(tree, options, classes, pairs, problems, f"{TITLE} ({where}): {RULES}", IGNORED)


FORMAT = LabelFormat("labelme", TITLE, seen, find)


def _files(tree: Tree) -> list[Path]:
    folders: dict[Path, list[Path]] = {}
    for path in tree.by_suffix(".json", depth=DEEPEST):
        folders.setdefault(path.parent, []).append(path)
    stems = {image.with_suffix("") for image in tree.images}
    found: list[Path] = []
    for paths in folders.values():
        heads = [head_of(path) for path in paths[:LOOKED_AT]]
        beside = [path for path in paths if path.with_suffix("") in stems]
        if any(has_list(head, "shapes") for head in heads):
            found += paths
        elif beside and not any(has_list(head, "images", "annotations") for head in heads):
            found += beside
    return sorted(found)


def _index(classes: Classes, name: str) -> int:
    return IGNORE if name == IGNORED else classes.indices[name]


def _names(tree: Tree, used: set[str]) -> tuple[list[str], Path]:
    """Names in order, and the file or folder that they come from."""
    path = next((path for path in tree.by_suffix(".txt", depth=0) if path.name.lower() == NAMES), None)
    if path is None:
        return sorted(used), tree.root
    lines = [line.strip() for line in read_bytes(path).decode("utf-8-sig", "replace").splitlines()]
    return list(dict.fromkeys(line for line in lines if line and line != IGNORED)), path


def _unlabelled(tree: Tree, used: set[Path]) -> list[DataError]:
    """A remark on images without a file."""
    folders = {image.parent for image in used}
    others = [image for image in tree.images if image.parent in folders and image not in used]
    if not others:
        return []
    what = "1 image has" if len(others) == 1 else f"{len(others)} images have"
    text = f"{others[0]}: {what} no JSON file, and not used; save an empty one for an image without objects"
    return [DataError("unlisted image", others[0], text, stops=False)]


def _read_or_error(path: Path) -> tuple[str, tuple[int, int], list[Row]] | DataError:
    try:
        return _read(path)
    except DataError as error:
        return error


def _read(path: Path) -> tuple[str, tuple[int, int], list[Row]]:
    """Name and size of the image, and the shapes."""
    content = read_object(path)
    name = value_of(path, "the file", content, "imagePath", str)
    size = size_of(path, "the file", content, ("imageHeight", "imageWidth"))
    rows: list[Row] = []
    for number, row in enumerate(rows_of(path, content, "shapes")):
        where = f"shapes[{number}]"
        label = row.get("label")
        if not isinstance(label, str | int) or not str(label).strip():
            raise nameless(path, where, repr(label), "label")
        rows.append((where, str(label).strip(), _encoder(path, where, row, size)))
    return name, size, rows


def _encoder(path: Path, where: str, row: Mapping[str, Any], size: tuple[int, int]) -> Any:
    """What encodes a shape."""
    points, kind = row.get("points"), row.get("shape_type") or "polygon"
    if not isinstance(points, list):
        raise lacking(path, where, "points")
    if kind == "polygon":
        return Polygons(path, where, (as_points(path, where, points),))
    try:
        ends = np.asarray(points, np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        raise pointless(path, where, "the points are no pairs of numbers") from None
    least = {"rectangle": 2, "circle": 2, "line": 2, "linestrip": 2, "point": 1, "points": 1, "mask": 2}
    if not isinstance(kind, str) or kind not in least:
        raise pointless(path, where, f"shapes of the kind {kind} are not read")
    if len(ends) < least[kind] or not np.isfinite(ends).all():
        raise pointless(path, where, f"a {kind} needs {least[kind]} point{'s' * (least[kind] > 1)}")
    if kind == "rectangle":
        (left, top), (right, bottom) = ends[:2]
        box = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        return Polygons(path, where, (box,))
    if kind == "circle":
        angles = np.linspace(0, 2 * math.pi, CORNERS, endpoint=False)
        radius = math.dist(ends[0], ends[1])
        circle = ends[0] + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
        return Polygons(path, where, (circle,))
    if kind == "mask":
        return _mask(path, where, row, ends, size)
    return _Strokes(path, where, ends, kind.startswith("point"))


def _mask(path: Path, where: str, row: Mapping[str, Any], ends: Points, size: tuple[int, int]) -> Pixels:
    try:
        data = base64.b64decode(row.get("mask") or "", validate=True)
        with Image.open(io.BytesIO(data)) as image:
            is_larger = image.height > size[0] + 1 or image.width > size[1] + 1
            pixels = None if is_larger else np.asarray(image.convert("L"))
    except Exception:  # Pillow raises a dozen kinds for a damaged file
        raise wrong_mask(path, where, "is no image") from None
    if pixels is None:
        raise wrong_mask(path, where, "is larger than its image")
    left, top = (round(float(value)) for value in ends[0])
    return Pixels(path, where, pixels > 0, left, top)


class _Strokes:
    """Encodes lines and points, which have a width in pixels.

    Args:
        path: the file, for messages.
        where: the place in it.
        ends: ``(N, 2)``: x and y.
        are_points: they are not joined.
    """

    def __init__(self, path: Path, where: str, ends: Points, are_points: bool) -> None:
        self.path, self.where, self.ends, self.are_points = path, where, ends, are_points

    def __call__(self, height: int, width: int) -> Code:
        """The code.

        Raises:
            DataError: nothing of it lies in the image.
        """
        check_inside(self.path, self.where, self.ends, (height, width))
        canvas = np.zeros((height, width), np.uint8)
        ends: Sequence[Any] = [tuple(map(int, end)) for end in self.ends]
        if self.are_points:
            for end in ends:
                cv2.circle(canvas, end, RADIUS, 1, -1)
        else:
            cv2.polylines(canvas, [np.array(ends, np.int32)], False, 1, LINE)
        return Pixels(self.path, self.where, canvas > 0, 0, 0)(height, width)
