"""What may be wrong with an export: one line that names the file and the fix, exit code 2, and nothing is written.

The same kind of fault has the same words in every format and in every command.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.cli import main
from experiments.data.formats.detection import PUBLISHED

WORDS = {
    "missing file": r"{file}: .* is not there; ",
    "broken": r"{file}: not valid [\w ]+: .+; correct it, or export it again",
    "key": r"{file}: [^:]+: [\w ()]+ is missing or wrong; correct it, or export it again",
    "twice": r"{file}: .*(id|name|colour) [^:]+ is given twice.*; give each its own",
    "nameless": r"{file}: [^:]+: class .+ has no name in [\w.]+; add it there",
    "no image": r"{file}: [^:]+: its image \S.* is not there; copy it there, or remove the entry",
    "no label": r"{file}: its label \S+ is missing.*; add it, or remove the image",
    "outside": r"{file}: [^:]+: the outline lies outside of the image, height x width 40x56; coordinates must be ",
    "no outline": r"{file}: [^:]+: .+; draw a polygon, or export it as segmentation",
    "wrong mask": r"{file}: [^:]+: the mask .+; export it again",
    "sizes": r"{file}.* and \S+: image and label differ in size, height x width \(\d+x\d+ and \d+x\d+\); make the",
    "unlabelled": r"{file}: no object is labelled; label some images, and export it again",
    "one image": r"{file}: the only image cannot be divided into training and validation; add more",
    "several": r"{file}: \d+ .+ \(.*\); keep one of them",
    "splits": r"{file}: .*; put (it|the images to train on) into train/",
    "differ": r"{file} and \S+: .*; export all splits together",
    "no class": r"{file}: .* is no class; ",
    "no format": r"{file}: holds (images, and )?no labels of a known format \(.*\); label the images, or give",
    "formats": r"{file}: holds labels of several formats: .* and .*; say which counts: --data.format ",
    "classes": r"{file}: (holds no file of classes|no data.yaml names the classes).*ssr-nas data classes",
    "masks": r"{file}: masks_dir: labels are masks, and no text files; give --data.format masks",
    "archive": r"{file}: a file and no folder; unpack it if it is an archive, and give the folder",
    "unreadable": r"{file}: not an image, or truncated.*; copy it again or remove it",
    "labelled twice": r"{file}: is labelled twice, in \S+ and \S+; keep one of them",
    "number": r"{file}: [^:]+: .+ must be a whole number from 0 to \d+",
    "too few": r"{file}: gives \d class(es)?; at least two must not be ignored",
    "no images": r"{file}: holds no .+ image; .+ must hold ",
    "label's ending": r"{file}: its label \S+/train0_annotation.png is missing; add it, or remove the image",
    "no hint": r"{file}: its label \S+/train0_mask.png is missing; add it, or remove the image",
    "empty list": r"{file}: lists no image; write the names of its images there, or remove the file",
    "no folder": r"{file}: no such folder; data.root must hold train/images, train/masks, ",
    "endings": r"{file}: masks lie beside the images with several endings, .*; keep one kind",
}
"""Kind of fault -> what is said of it."""
COCO, VALID = "train/_annotations.coco.json", "valid/_annotations.coco.json"
TEXT = "train/labels/train0.txt"
Damage = Callable[[Path], object]


def edit(file: str, change: Callable[[Any], object]) -> Damage:
    def damage(root: Path) -> None:
        content = json.loads((root / file).read_text())
        change(content)
        (root / file).write_text(json.dumps(content))

    return damage


def write(file: str, text: str) -> Damage:
    return lambda root: (root / file).write_text(text)


def replace(file: str, old: str, new: str) -> Damage:
    def damage(root: Path) -> None:
        text = (root / file).read_text()
        assert old in text
        (root / file).write_text(text.replace(old, new))

    return damage


def remove(*files: str) -> Damage:
    def damage(root: Path) -> None:
        for file in files:
            path = root / file
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def resize(file: str, height: int, width: int) -> Damage:
    return lambda root: Image.fromarray(np.zeros((height, width), np.uint8)).save(root / file)


def copy(file: str, other: str) -> Damage:
    def damage(root: Path) -> None:
        (root / other).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / file, root / other)

    return damage


def each(*damages: Damage) -> Damage:
    return lambda root: [damage(root) for damage in damages]


def first(key: str, **values: Any) -> Damage:
    return edit(COCO, lambda content: content[key][0].update(values))


def shape(**values: Any) -> Damage:
    return edit("train/train0.json", lambda content: content["shapes"][0].update(values))


def one_image(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_file() and path.suffix in (".png", ".txt", ".json") and "train0" not in path.name:
            if path.name not in ("_annotations.coco.json", "labelmap.txt"):
                path.unlink()
    for path in (root / "valid", root / "val"):
        shutil.rmtree(path, ignore_errors=True)


def one_entry(root: Path) -> None:
    edit(COCO, lambda content: content.update({key: content[key][:1] for key in ("images", "annotations")}))(root)


def two_of_a_name(root: Path) -> None:
    for folder in ("a", "b"):
        copy("train/train0.png", f"{folder}/x.png")(root)
    first("images", file_name="c/x.png")(root)


def lost_in_a_list(root: Path) -> None:
    write("train.txt", "images/nothing.png")(root)
    replace("data.yaml", "../train/images", "train.txt")(root)


def no_shapes(root: Path) -> None:
    for path in root.rglob("*.json"):
        edit(str(path), lambda content: content.update(shapes=[]))(root)


def another_value(root: Path) -> None:
    for path in root.rglob("_classes.csv"):
        replace(str(path), "2, dog", "3, dog")(root)


def two_endings(root: Path) -> None:
    remove("train/_classes.csv", "valid/_classes.csv")(root)
    write("classes.csv", "name,id\na,0\nb,1\n")(root)
    copy("train/train0_mask.png", "train/train0_label.png")(root)


def raw(file: str, data: bytes) -> Damage:
    return lambda root: (root / file).write_bytes(data)


def halve(file: str) -> Damage:
    return lambda root: (root / file).write_bytes((root / file).read_bytes()[: (root / file).stat().st_size // 2])


def nothing_drawn(root: Path) -> None:
    for path in root.rglob("*.png"):
        if path.stem.endswith(("_mask", "_annotation")) or path.parent.name == "SegmentationClass":
            mode = "RGB" if path.parent.name == "SegmentationClass" else "L"
            Image.new(mode, (56, 40)).save(path)


def of_masks(text: str, name: str = "classes.csv") -> Damage:
    return each(remove("classes.csv"), write(name, text))


def one_pair(root: Path) -> None:
    for folder, name in (("images", "imgs/train/train0"), ("masks", "annotations/train/train0_annotation")):
        copy(f"{name}.png", f"{folder}/x.png")(root)
    remove("imgs", "annotations")(root)


def moved_away(root: Path) -> None:
    remove("train/train0.png")(root)
    for folder in ("a", "b"):
        copy("val/val0.png", f"{folder}/train0.png")(root)


PHOTO, MASK = "imgs/train/train0.png", "annotations/train/train0_annotation.png"
CASES: list[tuple[str, str, str, Damage]] = [
    ("coco", "splits", "{root}", remove(COCO)),
    ("coco", "broken", COCO, lambda root: (root / COCO).write_bytes((root / COCO).read_bytes()[:500])),
    ("coco", "broken", COCO, write(COCO, "[1, 2]")),
    ("coco", "broken", COCO, lambda root: (root / COCO).write_bytes(b'{"images": ["\xff\xfe"]}')),
    ("coco", "broken", COCO, write(COCO, "")),
    ("coco", "key", COCO, edit(COCO, lambda content: content.pop("categories"))),
    ("coco", "key", COCO, edit(COCO, lambda content: content["images"][1].pop("file_name"))),
    ("coco", "key", COCO, first("images", height="40")),
    ("coco", "key", COCO, first("annotations", segmentation=[], bbox=[1, 2, 3, 4])),
    ("coco", "key", COCO, edit(COCO, lambda content: content["annotations"].insert(0, 7))),
    ("coco", "twice", COCO, first("images", id=1)),
    ("coco", "twice", COCO, first("annotations", id=1)),
    ("coco", "twice", COCO, first("categories", id=1)),
    ("coco", "twice", COCO, first("categories", name="dog")),
    ("coco", "nameless", COCO, first("categories", name="")),
    ("coco", "nameless", COCO, first("annotations", category_id=77)),
    ("coco", "no image", COCO, first("annotations", image_id=77)),
    ("coco", "no image", COCO, remove("train/train1.png")),
    ("coco", "several", COCO, two_of_a_name),
    ("coco", "several", "{root}", copy(COCO, "train/more.json")),
    ("coco", "outside", COCO, first("annotations", segmentation=[[60, 1, 70, 1, 70, 9]])),
    ("coco", "no outline", COCO, first("annotations", segmentation=[[1, 1, 9, 9]])),
    ("coco", "no outline", COCO, first("annotations", segmentation=[["a", 1, 9, 9, 5, 5]])),
    ("coco", "wrong mask", COCO, first("annotations", segmentation={"size": [40, 57], "counts": [40 * 57]})),
    ("coco", "wrong mask", COCO, first("annotations", segmentation={"size": [40, 56], "counts": [40 * 57]})),
    ("coco", "wrong mask", COCO, first("annotations", segmentation={"size": [40, 56], "counts": "~bad~"})),
    ("coco", "wrong mask", COCO, first("annotations", segmentation={"counts": "00"})),
    ("coco", "sizes", "train/train0.png", resize("train/train0.png", 20, 28)),
    ("coco", "unlabelled", "{root}", each(*(edit(file, lambda c: c.update(annotations=[])) for file in (COCO, VALID)))),
    ("coco", "one image", "train/train0.png", each(one_image, one_entry)),
    ("coco", "differ", COCO, replace(VALID, '"cat"', '"cow"')),
    ("yolo", "missing file", "data.yaml", replace("data.yaml", "../train/images", "../training/images")),
    ("yolo", "broken", "data.yaml", write("data.yaml", "names: [cat, dog\ntrain: a")),
    ("yolo", "broken", "data.yaml", write("data.yaml", "names")),
    ("yolo", "key", "data.yaml", replace("data.yaml", "names", "labels")),
    ("yolo", "key", "data.yaml", write("data.yaml", "names: [cat, dog]")),
    ("yolo", "twice", "data.yaml", replace("data.yaml", "[cat, dog]", "[cat, cat]")),
    ("yolo", "nameless", "train/labels/train0.txt", replace("data.yaml", "[cat, dog]", "[cat]")),
    ("yolo", "nameless", "data.yaml", replace("data.yaml", "[cat, dog]", "{0: cat, 1: }")),
    ("yolo", "no image", "train.txt", lost_in_a_list),
    ("yolo", "outside", "train/labels/train0.txt", write("train/labels/train0.txt", "0 20 5 30 5 30 20")),
    ("yolo", "no outline", "train/labels/train0.txt", write("train/labels/train0.txt", "0 0.5 0.5 0.2 0.2")),
    ("yolo", "no outline", TEXT, write(TEXT, "0 0.5 0.5 0.2 0.2 0.1 0.1 0.3")),
    ("yolo", "broken", "train/labels/train0.txt", write("train/labels/train0.txt", "cat 0.5 0.5 0.2 0.2 0.1 0.1")),
    ("yolo", "broken", "train/labels/train0.txt", write("train/labels/train0.txt", "-1 0.5 0.5 0.2 0.2 0.1 0.1")),
    ("yolo", "unlabelled", "{root}", each(*(remove(f"{one}/labels") for one in ("train", "valid")))),
    ("yolo", "one image", "train/images/train0.png", each(one_image, replace("data.yaml", "val: ../valid/images", ""))),
    ("yolo", "classes", "{root}", remove("data.yaml")),
    ("yolo", "masks", "data.yaml", replace("data.yaml", "names:", "masks_dir: masks\nnames:")),
    ("labelme", "broken", "train/train0.json", lambda root: (root / "train/train0.json").write_bytes(b'{"shapes": [')),
    ("labelme", "key", "train/train0.json", edit("train/train0.json", lambda content: content.pop("imageHeight"))),
    ("labelme", "key", "train/train0.json", shape(points=7)),
    ("labelme", "nameless", "train/train0.json", shape(label="")),
    ("labelme", "nameless", "train/train0.json", write("labels.txt", "__ignore__\n_background_\ndog\n")),
    ("labelme", "no image", "train/train0.json", remove("train/train0.png")),
    ("labelme", "outside", "train/train0.json", shape(points=[[60, 1], [70, 9]])),
    ("labelme", "no outline", "train/train0.json", shape(points=[[1, 1]])),
    ("labelme", "no outline", "train/train0.json", shape(shape_type="spline")),
    ("labelme", "wrong mask", "train/train0.json", shape(shape_type="mask", mask="no picture")),
    ("labelme", "sizes", "train/train0.png", resize("train/train0.png", 20, 28)),
    ("labelme", "unlabelled", "{root}", no_shapes),
    ("labelme", "one image", "train/train0.png", one_image),
    ("voc", "missing file", "JPEGImages", remove("JPEGImages")),
    ("voc", "missing file", "SegmentationClass", remove("SegmentationClass")),
    ("voc", "broken", "labelmap.txt", write("labelmap.txt", "cat 128 0 0\n")),
    ("voc", "nameless", "labelmap.txt", replace("labelmap.txt", "cat:", ":")),
    ("voc", "twice", "labelmap.txt", replace("labelmap.txt", "cat:", "dog:")),
    ("voc", "no image", "ImageSets/Segmentation/train.txt", remove("JPEGImages/train0.png")),
    ("voc", "no label", "JPEGImages/train0.png", remove("SegmentationClass/train0.png")),
    ("voc", "sizes", "JPEGImages/train0.png", resize("SegmentationClass/train0.png", 20, 28)),
    ("voc", "no class", "SegmentationClass/train0.png", replace("labelmap.txt", "cat:128,0,0", "cat:129,0,0")),
    ("voc", "one image", "JPEGImages/train0.png", each(one_image, remove("ImageSets"))),
    ("voc", "classes", "{root}", remove("labelmap.txt")),
    ("roboflow", "key", "train/_classes.csv", write("train/_classes.csv", "value,class\n0,a\n1,b\n")),
    ("roboflow", "twice", "train/_classes.csv", replace("train/_classes.csv", "1, cat", "0, cat")),
    ("roboflow", "nameless", "train/_classes.csv", replace("train/_classes.csv", "1, cat", "1, ")),
    ("roboflow", "differ", "train/_classes.csv", replace("valid/_classes.csv", "cat", "cow")),
    ("roboflow", "no label", "train/train0.png", remove("train/train0_mask.png")),
    ("roboflow", "sizes", "train/train0.png", resize("train/train0_mask.png", 20, 28)),
    ("roboflow", "no class", "train/train0_mask.png", another_value),
    ("roboflow", "one image", "train/train0.png", one_image),
    ("masks", "classes", "{root}", remove("classes.csv")),
    ("masks", "no format", "{root}", remove("classes.csv", "annotations")),
    ("masks", "no format", "{root}", remove("classes.csv", "annotations", "imgs")),
    ("masks", "formats", "{root}", write("_annotations.coco.json", "{}")),
    ("masks", "archive", "{root}", lambda root: (shutil.rmtree(root), root.write_bytes(b"PK"))),
    ("masks", "no label", "imgs/train/train0.png", remove("annotations/train/train0_annotation.png")),
    ("masks", "label's ending", "imgs/train/train0.png", remove("annotations/train/train0_annotation.png")),
    ("roboflow", "no hint", "train/train0.png", remove("train/train0_mask.png")),
    ("roboflow", "endings", "train", two_endings),
    ("coco", "no format", "{root}", remove(COCO, VALID)),
    ("coco", "unreadable", "train/train0.png", raw("train/train0.png", b"")),
    ("coco", "unreadable", "train/train0.png", halve("train/train0.png")),
    ("coco", "formats", "{root}", lambda root: write("data.yaml", "names: [cat]")(root)),
    ("coco", "labelled twice", "train/train1.png", first("images", file_name="train1.png")),
    ("coco", "broken", COCO, write(COCO, "[" * 100_000)),
    ("coco", "key", COCO, first("images", width=0)),
    ("yolo", "broken", "data.yaml", raw("data.yaml", b"names: [\xff]")),
    ("yolo", "broken", "data.yaml", replace("data.yaml", "[cat, dog]", "{0: cat, 0: dog}")),
    ("yolo", "no format", "{root}", remove("data.yaml", "train/labels", "valid/labels")),
    ("yolo", "unreadable", "train/images/train0.png", halve("train/images/train0.png")),
    ("yolo", "formats", "{root}", write("_annotations.coco.json", "{}")),
    ("yolo", "no outline", TEXT, write(TEXT, "0 nan nan 0.1 0.1 0.2 0.2")),
    ("yolo", "missing file", "data.yaml", remove("valid")),
    ("labelme", "labelled twice", "train/train0.png", copy("train/train0.json", "train/again.json")),
    ("labelme", "no format", "{root}", lambda root: [path.unlink() for path in root.rglob("*.json")]),
    ("labelme", "unreadable", "train/train0.png", halve("train/train0.png")),
    ("labelme", "formats", "{root}", write("labelmap.txt", "cat:1,2,3::")),
    ("labelme", "splits", "{root}", remove("train")),
    ("labelme", "several", "train/train0.json", moved_away),
    ("voc", "twice", "labelmap.txt", replace("labelmap.txt", "cat:128,0,0", "cat:0,128,0")),
    ("voc", "unlabelled", "{root}", nothing_drawn),
    ("voc", "unreadable", "SegmentationClass/train0.png", halve("SegmentationClass/train0.png")),
    ("voc", "unreadable", "JPEGImages/train0.png", halve("JPEGImages/train0.png")),
    ("voc", "broken", "labelmap.txt", raw("labelmap.txt", b"c\xff:1,2,3::")),
    ("voc", "formats", "{root}", write("_annotations.coco.json", "{}")),
    ("voc", "splits", "{root}", remove("ImageSets/Segmentation/train.txt")),
    ("voc", "too few", "labelmap.txt", write("labelmap.txt", "")),
    ("voc", "empty list", "ImageSets/Segmentation/val.txt", write("ImageSets/Segmentation/val.txt", "\n")),
    ("voc", "empty list", "ImageSets/Segmentation/train.txt", write("ImageSets/Segmentation/train.txt", "")),
    ("roboflow", "missing file", "train/_classes.csv", remove("train/_classes.csv")),
    ("roboflow", "missing file", "valid/_classes.csv", remove("valid/_classes.csv")),
    ("roboflow", "classes", "{root}", remove("train/_classes.csv", "valid/_classes.csv")),
    ("roboflow", "broken", "train/_classes.csv", raw("train/_classes.csv", b"Pixel Value, Class\n0, \xff")),
    ("roboflow", "number", "train/_classes.csv", replace("train/_classes.csv", "1, cat", "one, cat")),
    ("roboflow", "unlabelled", "{root}", nothing_drawn),
    ("roboflow", "unreadable", "train/train0_mask.png", halve("train/train0_mask.png")),
    ("roboflow", "formats", "{root}", write("_annotations.coco.json", "{}")),
    ("roboflow", "no images", "train", remove(*(f"train/train{number}.png" for number in range(4)))),
    ("masks", "broken", "classes.csv", raw("classes.csv", b"name,id\n\xff,0\nb,1\n")),
    ("masks", "broken", "classes.yml", of_masks("- {name: a, id: 0\n- b", "classes.yml")),
    ("masks", "broken", "classes.yml", of_masks("classes", "classes.yml")),
    ("masks", "broken", "classes.csv", of_masks('name,id\n"a,0\nb,1\n')),
    ("masks", "twice", "classes.csv", of_masks("name,id\na,0\nb,1\nc,1\n")),
    ("masks", "twice", "classes.csv", of_masks("name,id\na,0\nb,1\nb,2\n")),
    ("masks", "nameless", "classes.csv", of_masks("name,id\na,0\n,1\nc,2\n")),
    ("masks", "nameless", "classes.yml", of_masks("- {name: a, id: 0}\n- {id: 1}\n", "classes.yml")),
    ("masks", "number", "classes.csv", of_masks("name,id\na,0\nb,one\n")),
    ("masks", "too few", "classes.csv", of_masks("name,id\na,0\n")),
    ("masks", "no class", MASK, of_masks("name,id\na,0\nb,1\n")),
    ("masks", "sizes", PHOTO, resize(MASK, 20, 28)),
    ("masks", "unlabelled", "{root}", nothing_drawn),
    ("masks", "unreadable", MASK, halve(MASK)),
    ("masks", "unreadable", PHOTO, raw(PHOTO, b"")),
    ("masks", "one image", "images/x.png", one_pair),
    ("masks", "no folder", "annotations/train", remove("annotations/train")),
    ("masks", "no folder", "masks/train", remove("annotations")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fault", "file", "damage"), CASES, ids=[f"{number} {one[0]} {one[1]}" for number, one in enumerate(CASES)]
)
def test_a_wrong_export(
    kind: str,
    fault: str,
    file: str,
    damage: Damage,
    write_export: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = write_export(kind)
    damage(root)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    place = re.escape(str(root if file == "{root}" else root / file))
    words = WORDS[fault].format(file=place)
    for command in (
        ["data", "convert", str(root), "--out", str(tmp_path / "plain")],
        ["fit", str(root), "--latency_ms", "5", "--minutes", "9"],
        ["data", "check", str(root)],
    ):
        assert main(command) == 2
        output = capsys.readouterr()
        errors = [line for line in output.err.splitlines() if "|" not in line or "error:" in line]
        assert len(errors) == (0 if command[1] == "check" and output.out else 1), output
        # The check lists everything that it finds.
        lines = errors or output.out.splitlines()
        found = [match for line in lines if (match := re.search(words, line.strip()))]
        assert len(found) == 1, output
        assert sorted(tmp_path.rglob("*")) == before
        if errors and command[0] == "data":
            assert errors[0].startswith(f"ssr-nas data {command[1]}: error: {found[0].group()}")


def test_masks_without_an_object_stop_a_training(
    write_export: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_export("roboflow")
    for path in root.rglob("*_mask.png"):
        Image.new("L", (56, 40)).save(path)
    assert main(["data", "check", "--data.name", "folder", "--data.root", str(root)]) == 2
    assert "train: class cat (value 1) never occurs; it is never learnt" in capsys.readouterr().out


def test_one_fault_in_many_places_is_one_line(
    write_export: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_export("coco")
    edit(COCO, lambda content: [row.update(segmentation=[[1, 1]]) for row in content["annotations"]])(root)
    assert main(["data", "check", "--data.name", "folder", "--data.root", str(root)]) == 2
    lines = [line for line in capsys.readouterr().out.splitlines() if "has no area" in line]
    assert len(lines) == 1 and re.match(rf"  6 times: {root / COCO}: annotations\[0\]: an outline of 1 point", lines[0])


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_data_set_is_known_by_its_folders(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in PUBLISHED[name]:
        (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (56, 40)).save(tmp_path / folder / "one.png")
    assert main(["fit", str(tmp_path), "--latency_ms", "5", "--minutes", "9"]) == 2
    assert f", the folders of {name}; give --data.name {name}\n" in capsys.readouterr().err
