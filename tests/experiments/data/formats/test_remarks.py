"""What a tool's own rule allows: the data check tells it as a remark, the conversion as a note, and nothing stops."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli import main

WORDS = {
    "other case": r"names of images and labels differ in [^;]+; TRAIN1.png is paired with \S+",
    "no label": r"\S+extra.png: (1 image|2 of 5 images) (is|has|have) "
    r"(no text file in train; all of it is background|listed in no file of annotations, such as \S+, and not used|"
    r"no JSON file, and not used; .+|in no list, or without a mask, and not used)",
    "no image": r"\S+extra\S*: has no image( in \S+)?; it is not used",
    "overhang": r"1 outline reaches beyond the image \(first .+\); what lies outside is cut off",
}
FOLDERS = {"yolo": "train/images", "voc": "JPEGImages", "masks": "imgs/train"}
"""Where the training images are, if not in ``train``."""


def other_case(root: Path, kind: str) -> None:
    image = root / FOLDERS.get(kind, "train") / "train1.png"
    image.rename(image.with_name("TRAIN1.png"))
    for path in root.rglob("train1*.json"):
        path.write_text(path.read_text().replace("TRAIN1", "train1"))


def no_label(root: Path, kind: str) -> None:
    folder = root / FOLDERS.get(kind, "train")
    shutil.copy(folder / "train3.png", folder / "extra.png")


def no_image(root: Path, kind: str) -> None:
    place = {
        "yolo": "train/labels/extra.txt",
        "roboflow": "train/extra_mask.png",
        "masks": "annotations/train/extra_annotation.png",
    }[kind]
    ending = place.partition("extra")[2]
    shutil.copy(next((root / place).parent.glob(f"train0{ending}")), root / place)


def overhang(root: Path, kind: str) -> None:
    points = [40, 2, 70, 2, 70, 30]
    if kind == "yolo":
        numbers = (f"{value / (56, 40)[place % 2]:.4f}" for place, value in enumerate(points))
        (root / "train/labels/train3.txt").write_text(f"0 {' '.join(numbers)}\n")
        return
    path = root / {"coco": "train/_annotations.coco.json", "labelme": "train/train3.json"}[kind]
    content = json.loads(path.read_text())
    if kind == "coco":
        content["annotations"].append({"id": 99, "image_id": 3, "category_id": 1, "segmentation": [points]})
    else:
        pairs = [points[place : place + 2] for place in range(0, 6, 2)]
        content["shapes"].append({"label": "cat", "shape_type": "polygon", "points": pairs})
    path.write_text(json.dumps(content))


CASES: dict[Callable[[Path, str], None], tuple[str, list[str]]] = {
    other_case: ("other case", ["coco", "yolo", "labelme", "voc", "roboflow", "masks"]),
    no_label: ("no label", ["coco", "yolo", "labelme", "voc"]),
    no_image: ("no image", ["yolo", "roboflow", "masks"]),
    overhang: ("overhang", ["coco", "yolo", "labelme"]),
}


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        pytest.param(kind, damage, id=f"{kind}-{damage.__name__}")
        for damage, (_, kinds) in CASES.items()
        for kind in kinds
    ],
)
def test_what_a_rule_allows_is_told(
    kind: str,
    damage: Callable[[Path, str], None],
    write_export: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = write_export(kind)
    damage(root, kind)
    words = WORDS[CASES[damage][0]]
    assert main(["data", "check", str(root)]) == 0
    text = capsys.readouterr().out
    remarks = text[text.index("\nremarks (") :]
    assert len([*re.finditer(words, remarks)]) == 1, text
    assert main(["data", "convert", str(root), "--out", str(tmp_path / "plain")]) == 0
    assert len([*re.finditer(f"note: .*{words}", capsys.readouterr().out)]) == 1
