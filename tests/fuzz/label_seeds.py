"""Labels as tools export them, for two images beside them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 12, 16
OUTLINE = [2, 2, 9, 2, 9, 8, 2, 8]
IMAGES = ("a.png", "b.png")
COCO: dict[str, Any] = {
    "images": [{"id": i, "file_name": name, "height": HEIGHT, "width": WIDTH} for i, name in enumerate(IMAGES)],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 0, "category_id": 1, "iscrowd": 0, "segmentation": [OUTLINE]},
        {"id": 2, "image_id": 1, "category_id": 2, "segmentation": {"size": [HEIGHT, WIDTH], "counts": "R1:Q1"}},
        {"id": 3, "image_id": 1, "category_id": 2, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [92, 100]}},
    ],
}
LABELME: dict[str, Any] = {
    "imagePath": "a.png",
    "imageHeight": HEIGHT,
    "imageWidth": WIDTH,
    "shapes": [
        {"label": "cat", "shape_type": "polygon", "points": [[2, 2], [9, 2], [9, 8]]},
        {"label": "dog", "shape_type": "circle", "points": [[5, 5], [8, 5]]},
        {"label": "__ignore__", "shape_type": "line", "points": [[5, 5], [8, 5]]},
        {"label": "dog", "shape_type": "mask", "points": [[5, 5], [8, 5]], "mask": "iVBORw0KGgo="},
    ],
}
FALLEN_COCO = [json.dumps(COCO).replace('"height": 12', f'"height": {10**400}').encode()]
FALLEN_LABELME = [json.dumps(LABELME).replace('"polygon"', '["polygon"]').encode()]
YOLO_TEXT = b"0 0.1 0.1 0.5 0.1 0.5 0.5\n1 0.3 0.3 0.9 0.3 0.9 0.9 0.3 0.9\n"
YOLO_YAML = b"path: ../x\ntrain: ../train/images\nval: valid/images\nnames:\n  0: cat\n  1: dog\n"
LABEL_MAP = b"# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\n"
ROBOFLOW = b"Pixel Value, Class\n0, background\n1, cat\n"


def beside(*places: str, masks: str = "") -> Any:
    """Writes the two images into each of these places, and masks into places named after ``masks``."""

    def write(folder: Path) -> None:
        for place in places:
            for name in IMAGES:
                path = folder / place / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (WIDTH, HEIGHT)).save(path)
                if masks:
                    mask = folder / masks.format(place=place, name=path.stem)
                    mask.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(mask)

    return write


def beside_yolo(folder: Path) -> None:
    """Images, and text files of two splits."""
    beside("train/images", "valid/images")(folder)
    for split in ("train", "valid"):
        (folder / split / "labels").mkdir(exist_ok=True)
        (folder / split / "labels" / "b.txt").write_bytes(YOLO_TEXT)
    (folder / "data.yaml").write_bytes(YOLO_YAML)
