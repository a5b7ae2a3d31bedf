"""COCO JSON (Lin et al., 2014, arXiv:1405.0312): polygons and run-length codes of all images of a split in one file.

As Roboflow (``_annotations.coco.json`` beside the images), CVAT, Label Studio and COCO itself
(``annotations/instances_train2017.json``) write it. Rules:
- The parts of one object are united, so that only run-length codes hold holes.
- Later objects lie over earlier ones.
- Crowds (``iscrowd`` 1) are ignored, as in COCO's own score, and lie below all objects. Where all objects are crowds,
  as of tools that mark masks so, they are objects.
- Images without objects are background.
- A category that no object has, and that is the super-category of others, is left out: Roboflow writes one.
"""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from experiments.data.faults import differing, imageless, lacking, nameless, several, twice, wrong_mask
from experiments.data.files import DataError
from experiments.data.formats.json_file import has_list, head_of, read_object, rows_of, size_of, value_of
from experiments.data.formats.label_format import Classes, LabelFormat, drawn_source, refuse_options
from experiments.data.formats.shapes import Drawing, Polygons, RunLengths, Shape, as_points
from experiments.data.formats.tree import Tree, case_remark, split_in
from experiments.data.source import DataSource
from experiments.options.groups import IGNORE, DataOptions

TITLE = "COCO labels"
FOLDER = "annotations"
RULES = (
    "parts of one object are united, later objects lie over earlier ones, crowds are ignored, images without objects "
    "are background"
)
Row = dict[str, Any]


def seen(tree: Tree) -> list[str]:
    """The files of annotations: in the root, in a split's folder, or in ``annotations``."""
    return [tree.name_of(path) for path in _files(tree)]


def find(tree: Tree, options: DataOptions) -> DataSource:
    """The data set.

    Raises:
        InputError: a file is broken, its ids are not unique, or several files are meant for one split.
    """
    refuse_options(options, TITLE, "classes", "labels", "threshold")
    files = _by_split(tree)
    contents = {split: (path, read_object(path)) for split, path in files.items()}
    names = {split: _category_names(path, content) for split, (path, content) in contents.items()}
    ordered = dict.fromkeys(name for known in names.values() for _, name in sorted(known.items(), key=_by_id))
    _check_same(files, names)
    unused = _groups_without_objects(contents, names)
    first = next(iter(files.values()))
    classes = Classes((name for name in ordered if name not in unused), first)
    rows = [row for path, content in contents.values() for row in rows_of(path, content, "annotations")]
    crowds = sum(map(_is_crowd, rows))
    problems: list[DataError] = []
    pairs: dict[str, list[tuple[Path, Drawing]]] = {}
    for split, (path, content) in contents.items():
        indices = {key: classes.indices[name] for key, name in names[split].items() if name not in unused}
        pairs[split], wrong = _read(tree, split, path, content, indices, crowds < len(rows))
        problems += wrong
    problems += _unlisted(tree, first, {image for found in pairs.values() for image, _ in found})
    rules = f"{TITLE} ({', '.join(tree.name_of(path) for path in files.values())}): {RULES}"
    if crowds:
        told = "are crowds" if crowds < len(rows) else "are marked as crowds, and count as objects"
        rules += f"; {crowds} of {len(rows)} objects {told}"
    if unused:
        rules += f"; {', '.join(sorted(unused))} groups other categories, and is left out"
    return drawn_source(tree, options, classes, pairs, problems, rules, "crowds")


FORMAT = LabelFormat("coco", TITLE, seen, find)


def _files(tree: Tree) -> list[Path]:
    found = []
    stems = {image.with_suffix("") for image in tree.images}
    files = [path for path in tree.by_suffix(".json", depth=1) if path.with_suffix("") not in stems]
    for path in files:
        head = head_of(path)
        is_named = path.name.lower().endswith(".coco.json") or (
            path.parent.name.lower() == FOLDER and path.stem.lower().startswith("instances")
        )
        if not has_list(head, "shapes") and (is_named or has_list(head, "images", "annotations", "categories")):
            found.append(path)
    instances = [path for path in found if path.stem.lower().startswith("instances")]
    # Beside them COCO has captions, and key points of persons.
    return [path for path in found if path in instances or path.parent not in {other.parent for other in instances}]


def _by_split(tree: Tree) -> dict[str, Path]:
    groups: dict[str, list[Path]] = {}
    for path in _files(tree):
        groups.setdefault(split_in(path.stem) or tree.split_of(path), []).append(path)
    for split, paths in groups.items():
        if len(paths) > 1:
            what = f"files of annotations for {split}" if split else "files of annotations that name no split"
            raise several(tree.root, what, [tree.name_of(path) for path in paths])
    return {split: groups[split][0] for split in ("train", "val", "test", "") if split in groups}


def _unique(path: Path, key: str, rows: Sequence[Row]) -> dict[int | str, tuple[str, Row]]:
    """Entries by id, each with its place."""
    found: dict[int | str, tuple[str, Row]] = {}
    for number, row in enumerate(rows):
        where = f"{key}[{number}]"
        identity = value_of(path, where, row, "id", (int, str))
        if identity in found:
            raise twice(path, where, "id", identity)
        found[identity] = (where, row)
    return found


def _category_names(path: Path, content: Row) -> dict[int | str, str]:
    """Id -> name."""
    names: dict[int | str, str] = {}
    for identity, (where, row) in _unique(path, "categories", rows_of(path, content, "categories")).items():
        if not isinstance(row.get("name"), str) or not row["name"].strip():
            raise nameless(path, where, identity, "categories")
        name = row["name"].strip()
        if name in names.values():
            raise twice(path, where, "name", name)
        names[identity] = name
    return names


def _by_id(item: tuple[int | str, str]) -> tuple[bool, int | str]:
    """Order of ids, which may be numbers or text."""
    return isinstance(item[0], str), item[0]


def _is_crowd(row: Row) -> bool:
    return row.get("iscrowd") in (1, True)


def _check_same(files: Mapping[str, Path], names: Mapping[str, Mapping[int | str, str]]) -> None:
    """Refuse files in which the same id has two names: one of them is of another export."""
    first_path: Path | None = None
    known: dict[int | str, str] = {}
    for split, path in files.items():
        for identity, name in names[split].items():
            if known.setdefault(identity, name) != name and first_path is not None:
                raise differing(first_path, path, f"category {identity} is {known[identity]} and {name}")
        first_path = first_path or path


def _groups_without_objects(
    contents: Mapping[str, tuple[Path, Row]], names: Mapping[str, Mapping[int | str, str]]
) -> set[str]:
    used: set[str] = set()
    groups: set[str] = set()
    for split, (path, content) in contents.items():
        categories = (row.get("category_id") for row in rows_of(path, content, "annotations"))
        used |= {names[split].get(category, "") for category in categories if isinstance(category, int | str)}
        for row in rows_of(path, content, "categories"):
            if row.get("supercategory") != row.get("name"):
                groups.add(str(row.get("supercategory")))
    return {name for known in names.values() for name in known.values() if name in groups and name not in used}


def _read(
    tree: Tree, split: str, path: Path, content: Row, indices: Mapping[int | str, int], has_crowds: bool
) -> tuple[list[tuple[Path, Drawing]], list[DataError]]:
    images = _unique(path, "images", rows_of(path, content, "images"))
    rows = rows_of(path, content, "annotations")
    if all("id" in row for row in rows):
        _unique(path, "annotations", rows)
    problems: list[DataError] = []
    crowds: dict[int | str, list[Shape]] = {}
    objects: dict[int | str, list[Shape]] = {}
    for number, row in enumerate(rows):
        where = f"annotations[{number}]"
        image = value_of(path, where, row, "image_id", (int, str))
        if image not in images:
            raise imageless(path, where, f"with the id {image}")
        category = value_of(path, where, row, "category_id", (int, str))
        if category not in indices:
            raise nameless(path, where, category, "categories")
        try:
            encode = _outline(path, where, row)
        except DataError as error:
            problems.append(error)
            continue
        is_crowd = has_crowds and _is_crowd(row)
        group = crowds if is_crowd else objects
        group.setdefault(image, []).append(Shape(IGNORE if is_crowd else indices[category], encode))
    folders = [path.parent, tree.root, *_folders(tree, path, split)]
    pairs, spelt = [], []
    for identity, (where, row) in images.items():
        name = value_of(path, where, row, "file_name", str)
        size = size_of(path, where, row, ("height", "width"))
        found = tree.find_image(name, folders, split)
        if len(found) == 1:
            shapes = (*crowds.get(identity, ()), *objects.get(identity, ()))
            pairs.append((found[0], Drawing(path, shapes, size)))
            spelt.append((name, found[0]))
        elif found:
            problems.append(several(path, f"images are called {name}", [tree.name_of(one) for one in found]))
        else:
            problems.append(imageless(path, where, name))
    return pairs, [*problems, *case_remark(spelt, path)]


def _folders(tree: Tree, path: Path, split: str) -> list[Path]:
    """Where COCO and tools after it keep the images that a file in ``annotations`` names."""
    inner = path.stem.lower().removeprefix("instances_")
    roots = [tree.root, *(tree.root / name for name in ("images", "imgs"))]
    names = [inner, *(name for name in (split, {"val": "valid"}.get(split, "")) if name), "default"]
    return [*(root / name for name in names for root in roots), *roots]


def _unlisted(tree: Tree, path: Path, listed: Set[Path]) -> list[DataError]:
    """A remark on images beside those that are listed."""
    folders = {image.parent for image in listed}
    others = [image for image in tree.images if image.parent in folders and image not in listed]
    if not others:
        return []
    what = "1 image is" if len(others) == 1 else f"{len(others)} images are"
    text = f"{others[0]}: {what} listed in no file of annotations, such as {path.name}, and not used"
    return [DataError("unlisted image", others[0], text, stops=False)]


def _outline(path: Path, where: str, row: Row) -> Polygons | RunLengths:
    segmentation = row.get("segmentation")
    if isinstance(segmentation, list) and segmentation:
        nested = segmentation if isinstance(segmentation[0], list) else [segmentation]
        return Polygons(path, where, tuple(as_points(path, where, part) for part in nested))
    if isinstance(segmentation, dict):
        size, counts = segmentation.get("size"), segmentation.get("counts")
        if not isinstance(size, list) or not all(isinstance(side, int) for side in size) or len(size) != 2:
            raise wrong_mask(path, where, "has no size of height and width")
        if isinstance(counts, list) and all(isinstance(count, int) for count in counts):
            return RunLengths(path, where, (size[0], size[1]), tuple(counts))
        if isinstance(counts, str):
            return RunLengths(path, where, (size[0], size[1]), counts)
        raise wrong_mask(path, where, "has no counts")
    raise lacking(path, where, "segmentation (there is a box alone)" if row.get("bbox") else "segmentation")
