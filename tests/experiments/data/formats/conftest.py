"""The same small set as each tool exports it: boxes of two classes, so that every format gives the same labels."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SIZE = (40, 56)
CLASSES = ("background", "cat", "dog")
COLOURS = ((0, 0, 0), (128, 0, 0), (0, 128, 0))
COUNTS = {"train": 4, "val": 2}
Box = tuple[int, tuple[int, int, int, int]]


def boxes(split: str, number: int) -> list[Box]:
    """Class, and left, top, right, bottom of each object; the last training image has none."""
    if (split, number) == ("train", 3):
        return []
    shift = 3 * number + (split == "val")
    return [(1, (4 + shift, 5, 24 + shift, 25)), (2, (30 + shift, 18, 36 + shift, 38))]


def label_of(split: str, number: int) -> np.ndarray:
    label = np.zeros(SIZE, np.uint8)
    for index, (left, top, right, bottom) in boxes(split, number):
        label[top:bottom, left:right] = index
    return label


def corners(box: tuple[int, int, int, int]) -> list[float]:
    left, top, right, bottom = box
    return [left, top, right, top, right, bottom, left, bottom]


def png(array: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def save_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(list(path.name.encode())).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def save_mask(path: Path, label: np.ndarray, is_colour: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(COLOURS, np.uint8)[label] if is_colour else label).save(path)


def names() -> list[tuple[str, int, str]]:
    return [(split, number, f"{split}{number}") for split, count in COUNTS.items() for number in range(count)]


def write_coco(root: Path) -> None:
    for split, folder in (("train", "train"), ("val", "valid")):
        images, annotations = [], []
        for _, number, name in (one for one in names() if one[0] == split):
            save_image(root / folder / f"{name}.png")
            images.append({"id": number, "file_name": f"{name}.png", "height": SIZE[0], "width": SIZE[1]})
            for index, box in boxes(split, number):
                entry = {"id": len(annotations), "image_id": number, "category_id": index, "iscrowd": 0}
                annotations.append({**entry, "segmentation": [corners(box)]})
        categories = [{"id": 0, "name": "pets", "supercategory": "none"}]
        categories += [{"id": i, "name": CLASSES[i], "supercategory": "pets"} for i in (1, 2)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / folder / "_annotations.coco.json").write_text(json.dumps(content))


def write_yolo(root: Path) -> None:
    for split, number, name in names():
        folder = {"val": "valid"}.get(split, split)
        save_image(root / folder / "images" / f"{name}.png")
        lines = [
            " ".join([str(index - 1), *(f"{value / SIZE[1 - i % 2]:.6f}" for i, value in enumerate(corners(box)))])
            for index, box in boxes(split, number)
        ]
        (root / folder / "labels").mkdir(exist_ok=True)
        if lines:
            (root / folder / "labels" / f"{name}.txt").write_text("\n".join(lines))
    text = "path: ../elsewhere\ntrain: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: [cat, dog]\n"
    (root / "data.yaml").write_text(text)


def write_labelme(root: Path) -> None:
    for split, number, name in names():
        save_image(root / split / f"{name}.png")
        shapes: list[dict[str, Any]] = []
        for index, (left, top, right, bottom) in boxes(split, number):
            shape: dict[str, Any] = {"label": CLASSES[index], "shape_type": "rectangle"}
            shape["points"] = [[left, top], [right, bottom]]
            if index == 2:
                mask = np.full((bottom - top, right - left), 255, np.uint8)
                shape = {**shape, "shape_type": "mask", "mask": png(mask)}
            elif number == 1:
                points = np.reshape(corners((left, top, right, bottom)), (4, 2)).tolist()
                shape = {**shape, "shape_type": "polygon", "points": points}
            shapes.append(shape)
        content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{name}.png", "imageData": None}
        content |= {"imageHeight": SIZE[0], "imageWidth": SIZE[1]}
        (root / split / f"{name}.json").write_text(json.dumps(content))


def write_voc(root: Path) -> None:
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, number, name in names():
        save_image(root / "JPEGImages" / f"{name}.png")
        save_mask(root / "SegmentationClass" / f"{name}.png", label_of(split, number), True)
        with (lists / f"{split}.txt").open("a") as file:
            file.write(f"{name}\n")
    lines = [f"{name}:{','.join(map(str, colour))}::" for name, colour in zip(CLASSES, COLOURS, strict=True)]
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\n" + "\n".join(lines[1:] + lines[:1]) + "\n")


def write_roboflow(root: Path) -> None:
    for split, number, name in names():
        folder = root / {"val": "valid"}.get(split, split)
        save_image(folder / f"{name}.png")
        save_mask(folder / f"{name}_mask.png", label_of(split, number))
        (folder / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, cat\n2, dog")


def write_masks(root: Path) -> None:
    for split, number, name in names():
        folder = {"val": "validation"}.get(split, split)
        save_image(root / "imgs" / folder / f"{name}.png")
        save_mask(root / "annotations" / folder / f"{name}_annotation.png", label_of(split, number))
    (root / "classes.csv").write_text("name,id\nbackground,0\ncat,1\ndog,2\n")


WRITERS: dict[str, Callable[[Path], None]] = {
    "coco": write_coco,
    "yolo": write_yolo,
    "labelme": write_labelme,
    "voc": write_voc,
    "roboflow": write_roboflow,
    "masks": write_masks,
}


@pytest.fixture
def write_export(tmp_path: Path) -> Callable[..., Path]:
    """``write_export(format, name="set")``: the set of six images as this format has it."""

    def write(kind: str, name: str = "set") -> Path:
        root = tmp_path / name
        root.mkdir()
        WRITERS[kind](root)
        return root

    return write


@pytest.fixture
def expected() -> dict[str, dict[str, np.ndarray]]:
    """Split -> name -> label of that set."""
    labels: dict[str, dict[str, np.ndarray]] = {}
    for split, number, name in names():
        labels.setdefault(split, {})[name] = label_of(split, number)
    return labels
