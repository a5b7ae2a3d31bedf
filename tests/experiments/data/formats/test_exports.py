"""One set in every format: the same classes, splits and labels, also after a conversion; real exports agree too."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from experiments.cli import main
from experiments.data import open_source
from experiments.data.source import DataSource
from experiments.options.groups import IGNORE, DataOptions
from nas_space.errors import InputError

SHARED = [
    Path(__file__).parents[5] / "shared",
    *(Path(root).parent for root in [os.environ.get("CAMVID_ROOT")] if root),
]
EXPORTS = next((folder / "data" for folder in SHARED if (folder / "data").is_dir()), SHARED[0] / "data")
needs_exports = pytest.mark.skipif(not EXPORTS.is_dir(), reason="no real exports beside the project")
Labels = dict[str, dict[str, np.ndarray]]
FORMATS = ("coco", "yolo", "labelme", "voc", "roboflow", "masks")


def options(root: Path, **more: Any) -> DataOptions:
    return DataOptions(name="folder", root=str(root), size="32x48", **more)


def labels_of(source: DataSource) -> Labels:
    return {split: {one.name: one.read()[1] for one in samples} for split, samples in source.splits.items()}


def same(one: Labels, two: Labels) -> bool:
    return {split: list(part) for split, part in one.items()} == {
        split: list(part) for split, part in two.items()
    } and all((one[split][name] == two[split][name]).all() for split in one for name in one[split])


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_labels(
    kind: str, write_export: Callable[..., Path], expected: Labels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_export(kind)
    before = sorted(root.rglob("*"))
    source = open_source(options(root))
    assert source.name == "folder" and source.classes == ("background", "cat", "dog")
    assert same(labels_of(source), expected)
    if kind in ("coco", "yolo", "labelme"):
        assert source.reading.endswith("images without an object: 1 of 6")
    image, label = source.splits["train"][0].read()
    assert image.shape == (40, 56, 3) and label.dtype == np.uint8
    out = tmp_path / "plain"
    assert main(["data", "convert", str(root), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["images"] == {"train": 4, "val": 2} and told["classes"] == list(source.classes)
    plain = open_source(options(out))
    assert plain.classes == source.classes and plain.colours == source.colours and same(labels_of(plain), expected)
    assert (out / "train/images/train0.png").read_bytes() == source.splits["train"][0].image.read_bytes()  # type: ignore[union-attr]
    assert main(["data", "convert", str(root), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert sorted(root.rglob("*")) == before and sorted(tmp_path.iterdir()) == [out, root]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_limit_and_a_missing_validation_split(kind: str, write_export: Callable[..., Path]) -> None:
    root = write_export(kind)
    assert [len(part) for part in open_source(options(root, limit=1)).splits.values()] == [1, 1]
    if kind in ("voc", "masks"):
        return  # their lists, and the plain layout, name both
    folder = next(path for path in root.iterdir() if path.name in ("valid", "val"))
    folder.rename(root.parent / "gone")
    if kind == "yolo":
        text = (root / "data.yaml").read_text()
        (root / "data.yaml").write_text(text.replace("val: ../valid/images\n", ""))
    source = open_source(options(root))
    again = open_source(options(root))
    sizes = {split: [one.name for one in part] for split, part in source.splits.items()}
    assert [len(part) for part in sizes.values()] == [3, 1]
    assert sizes == {split: [one.name for one in part] for split, part in again.splits.items()}
    (told,) = (str(one) for one in source.problems if one.kind == "divided")
    assert "has no validation split: 1 of 4 images validate, chosen by the hash of their names" in told


@pytest.mark.parametrize("kind", FORMATS)
def test_names_in_another_case(kind: str, write_export: Callable[..., Path], expected: Labels) -> None:
    """Another tool, or another system, has renamed the images."""
    root = write_export(kind)
    for image in [path for path in root.rglob("train1.png") if path.parent.name != "SegmentationClass"]:
        image.rename(image.with_name("TRAIN1.png"))
    for path in root.rglob("ImageSets/**/train.txt"):
        path.write_text(path.read_text().replace("train1", "TRAIN1"))
    source = open_source(options(root))
    found = {split: {name.lower(): label for name, label in part.items()} for split, part in labels_of(source).items()}
    assert all((found["train"][name] == expected["train"][name]).all() for name in expected["train"])


def edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_crowds_are_ignored_below_objects(write_export: Callable[..., Path], expected: Labels) -> None:
    root = write_export("coco")
    crowd = {"id": 99, "image_id": 0, "category_id": 1, "iscrowd": 1}
    crowd["segmentation"] = {"size": [40, 56], "counts": [0, 40 * 30, 40 * 26]}  # type: ignore[assignment]
    edit(root / "train" / "_annotations.coco.json", lambda content: content["annotations"].append(crowd))
    label = labels_of(open_source(options(root)))["train"]["train0"]
    wanted = expected["train"]["train0"].copy()
    wanted[:, :30][wanted[:, :30] == 0] = IGNORE
    assert (label == wanted).all()
    # A tool that marks every mask as a crowd.
    for path in root.rglob("*.json"):
        edit(path, lambda content: [row.update(iscrowd=1) for row in content["annotations"]])
    source = open_source(options(root))
    assert "11 of 11 objects are marked as crowds, and count as objects" in source.reading
    label = labels_of(source)["train"]["train0"]
    assert (label[:, :30] == 1).all() and IGNORE not in label


def test_images_of_coco_are_found_where_tools_put_them(write_export: Callable[..., Path], expected: Labels) -> None:
    root = write_export("coco")
    (root / "annotations").mkdir()
    for split, folder, file in (("train", "train", "instances_train2017"), ("val", "valid", "instances_val2017")):
        (root / folder / "_annotations.coco.json").rename(root / "annotations" / f"{file}.json")
        (root / "images").mkdir(exist_ok=True)
        (root / folder).rename(root / "images" / f"{split}2017")
    (root / "annotations" / "captions_train2017.json").write_text('{"images": [], "annotations": []}')
    assert same(labels_of(open_source(options(root))), expected)
    # As Label Studio names files, with folders of another machine.
    file = root / "annotations" / "instances_train2017.json"
    file.write_text(file.read_text().replace('"file_name": "', '"file_name": "..\\\\..\\\\media\\\\'))
    assert same(labels_of(open_source(options(root))), expected)


def test_yolo_without_data_yaml_and_with_lists(write_export: Callable[..., Path], expected: Labels) -> None:
    root = write_export("yolo")
    settings = (root / "data.yaml").read_text()
    (root / "data.yaml").unlink()
    with pytest.raises(
        InputError, match=r"no data.yaml names the classes 0 \(5 objects\), 1 \(5 objects\); ssr-nas data"
    ):
        open_source(options(root))
    (root / "classes.txt").write_text("cat\ndog\n")
    assert same(labels_of(open_source(options(root))), expected)
    (root / "classes.txt").unlink()
    for split, folder in (("train", "train"), ("val", "valid")):
        files = sorted((root / folder / "images").iterdir())
        (root / f"{split}.txt").write_text("".join(f"/home/somebody/set/{folder}/images/{one.name}\n" for one in files))
        settings = settings.replace(f"../{folder}/images", f"./{split}.txt")
    (root / "data.yaml").write_text(settings.replace("[cat, dog]", "{0: cat, 1: dog}"))
    assert same(labels_of(open_source(options(root))), expected)


def test_shapes_of_labelme(write_export: Callable[..., Path]) -> None:
    root = write_export("labelme")
    shapes = [
        {"label": "cat", "shape_type": "circle", "points": [[20, 20], [20, 28]]},
        {"label": "_background_", "shape_type": "polygon", "points": [[16, 16], [24, 16], [24, 24], [16, 24]]},
        {"label": "dog", "shape_type": "point", "points": [[50, 8]]},
        {"label": "dog", "shape_type": "line", "points": [[2, 34], [50, 34]]},
        {"label": "__ignore__", "shape_type": "rectangle", "points": [[56, 0], [52, 40]]},
    ]
    edit(root / "train" / "train0.json", lambda content: content.update(shapes=shapes))
    label = labels_of(open_source(options(root)))["train"]["train0"]
    assert (label == 1).sum() == pytest.approx(np.pi * 64 - 64, abs=6) and not label[16:24, 16:24].any()
    assert (label[:, 52:] == IGNORE).all() and label[8, 50] == 2 and 8 <= (label[:, 30] == 2).sum() <= 12


def test_masks_of_labelme_that_its_converter_made(write_export: Callable[..., Path], expected: Labels) -> None:
    root = write_export("voc")
    shutil.rmtree(root / "ImageSets")
    (root / "labelmap.txt").unlink()
    (root / "class_names.txt").write_text("_background_\ncat\ndog\n")
    for name, label in {**expected["train"], **expected["val"]}.items():
        mask = Image.fromarray(label)
        mask.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
        mask.save(root / "SegmentationClass" / f"{name}.png")
    source = open_source(options(root))
    found = labels_of(source)
    assert source.classes == ("_background_", "cat", "dog") and [len(part) for part in found.values()] == [5, 1]
    assert all((found[split][name] == expected[name[:-1]][name]).all() for split in found for name in found[split])


@pytest.mark.parametrize("ending", ["_mask", "_label", "_labels", "_annotation"])
@pytest.mark.parametrize("is_divided", [True, False])
def test_masks_beside_their_images(
    ending: str, is_divided: bool, write_export: Callable[..., Path], expected: Labels
) -> None:
    root = write_export("roboflow")
    for path in root.rglob("*_mask.png"):
        path.rename(path.with_name(path.name.replace("_mask", ending)))
    for path in root.rglob("_classes.csv"):
        path.unlink()
    (root / "classes.csv").write_text("name,id\nbackground,0\ncat,1\ndog,2\n")
    if not is_divided:
        for path in list(root.rglob("*.png")):
            path.rename(root / path.name)
        for name in ("train", "valid"):
            (root / name).rmdir()
        expected = {"": {**expected["train"], **expected["val"]}}
    found = labels_of(open_source(options(root)))
    assert (
        same(found, expected)
        if is_divided
        else same({"": dict(sorted((found["train"] | found["val"]).items()))}, expected)
    )


@pytest.mark.parametrize("folders", ["{}/images {}/masks", "{}/imgs {}/labels"])
def test_roboflows_classes_of_plain_masks(folders: str, write_export: Callable[..., Path], expected: Labels) -> None:
    root = write_export("roboflow")
    text = (root / "train" / "_classes.csv").read_text()
    for split, usual in (("train", "train"), ("valid", "val")):
        images, masks = (root / place.format(usual) for place in folders.split())
        for place in (images, masks):
            place.mkdir(parents=True)
        for path in sorted((root / split).glob("*.png")):
            place = masks if path.stem.endswith("_mask") else images
            path.rename(place / path.name.replace("_mask", ""))
    for path in root.rglob("_classes.csv"):
        path.unlink()
    (root / "_classes.csv").write_text(text)
    source = open_source(options(root))
    assert source.classes == ("background", "cat", "dog") and same(labels_of(source), expected)


def test_roboflows_own_layout_with_classes_in_its_root(write_export: Callable[..., Path], expected: Labels) -> None:
    root = write_export("roboflow")
    (root / "_classes.csv").write_text((root / "train" / "_classes.csv").read_text())
    source = open_source(options(root))
    assert "Roboflow masks" in source.reading and same(labels_of(source), expected)


def test_two_formats_are_refused_unless_one_is_chosen(write_export: Callable[..., Path], expected: Labels) -> None:
    root, other = write_export("coco"), write_export("roboflow", "other")
    for path in other.rglob("*"):
        if path.is_file():
            os.replace(path, root / path.relative_to(other))
    seen = r"COCO labels \(train/_annotations.coco.json, valid/_annotations.coco.json\) and Roboflow masks \(train/_cl"
    with pytest.raises(
        InputError, match=rf"set: holds labels of several formats: {seen}.*--data.format coco or roboflow$"
    ):
        open_source(options(root))
    for kind in ("coco", "roboflow"):
        assert same(labels_of(open_source(options(root, format=kind))), expected)
    for kind, text in (("yolo", "holds no YOLO labels"), ("xml", "unknown 'xml'; choose from masks, coco, ")):
        with pytest.raises(InputError, match=f"^data.format: .*{text}"):
            open_source(options(root, format=kind))


def test_pictures_that_look_like_masks_of_two_kinds(write_export: Callable[..., Path], expected: Labels) -> None:
    """They hide no other format."""
    root = write_export("coco")
    for ending in ("_mask", "_label"):
        Image.new("L", (9, 9)).save(root / "train" / f"train0{ending}.png")
    assert same(labels_of(open_source(options(root))), expected)


def test_a_plain_folder_is_what_it_always_was(
    write_folder: Callable[..., Path], write_export: Callable[..., Path]
) -> None:
    """Whatever lies beside images, masks and the file of classes."""
    root, other = write_folder(write_export("yolo") / "inner"), write_export("coco", "other")
    before = labels_of(open_source(options(root)))
    (other / "train" / "_annotations.coco.json").rename(root / "train" / "_annotations.coco.json")
    (root / "data.yaml").write_text("names: [a]\n")
    assert same(labels_of(open_source(options(root))), before)


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        ({0: 0, 1: 255}, [",0,,no", ",255,,no"]),
        ({0: 0, 1: 7, 2: 255}, [",0,,", ",7,,", ",255,,"]),
        ({0: (0, 0, 0), 1: (9, 8, 7)}, [",,0 0 0,", ",,9 8 7,"]),
    ],
    ids=["binary", "index", "colour"],
)
def test_classes_that_nothing_names_are_counted(
    values: dict[int, Any],
    rows: list[str],
    write_export: Callable[..., Path],
    expected: Labels,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = write_export("masks")
    (root / "classes.csv").unlink()
    table = np.array([values.get(index, values[1]) for index in range(3)], np.uint8)
    for split, folder in (("train", "train"), ("val", "validation")):
        for name, label in expected[split].items():
            Image.fromarray(table[label]).save(root / "annotations" / folder / f"{name}_annotation.png")
    with pytest.raises(InputError, match="holds no file of classes .* ssr-nas data classes FOLDER --out FILE"):
        open_source(options(root))
    file = root / "classes.csv"
    assert main(["data", "classes", str(root), "--out", str(file), "--json"]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    assert file.read_text().splitlines() == ["name,id,colour,ignore", *rows]
    assert len(json.loads(last)["values"]) == len(rows) and "% of the pixels in 6 masks, first" in text[0]
    with pytest.raises(InputError, match="classes.csv: line 2: class .* has no name in classes.csv"):
        open_source(options(root))
    named = [f"c{i}{row}" for i, row in enumerate(rows)]
    file.write_text("\n".join(["name,id,colour,ignore", *named]))
    classes = open_source(options(root)).classes
    assert classes == tuple(f"c{i}" for i in range(2)) and main(["data", "classes", str(root), "--out", str(file)]) == 2


@needs_exports
def test_coco_and_yolo_of_the_same_photos() -> None:
    """At most ten pixels of a photo differ, all of them at an outline: YOLO's numbers have six digits."""
    found = [open_source(options(EXPORTS / f"potholes_{kind}")) for kind in ("coco", "yolo")]
    assert found[0].classes == found[1].classes == ("background", "pothole")
    for split, count in (("train", 80), ("val", 5)):
        one, two = ({sample.name: sample for sample in source.splits[split]} for source in found)
        assert one.keys() == two.keys() and len(one) == count
        for name in sorted(one)[:: count // 5]:
            first, second = one[name].read()[1], two[name].read()[1]
            differ = first != second
            outline = cv2.morphologyEx(first, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
            assert differ.sum() <= 10 and not (differ & ~outline).any()
    (remark,) = found[1].problems
    assert "1 image has no text file in train; all of it is background" in str(remark) and not remark.stops


@needs_exports
def test_roboflow_masks_of_a_building(tmp_path: Path) -> None:
    (tmp_path / "train").symlink_to(EXPORTS / "indoor" / "valid")  # a fifth of the images, to be quick
    source = open_source(options(tmp_path))
    assert source.classes[:4] == ("background", "cabinet", "ceiling", "chair") and len(source.classes) == 11
    assert {split: len(samples) for split, samples in source.splits.items()} == {"train": 67, "val": 17}
    image, label = source.splits["val"][0].read()
    assert image.shape == (640, 640, 3) and set(np.unique(label)) <= set(range(11))
    assert [one.kind for one in source.problems] == ["divided"]
