"""One image: read, segmented, and written as class indices, as colours, and as an overlay with a legend."""

from pathlib import Path
from typing import Any

import cv2
import torch

from experiments.data.files import Array, decode_image
from experiments.model_file import ModelInfo
from experiments.prediction.inputs import Source
from experiments.prediction.pictures import overlay, present, shares
from experiments.prediction.segmenter import TorchSegmenter
from experiments.report.gallery import colour_map
from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic


def predict_image(source: Source, segmenter: TorchSegmenter, info: ModelInfo, folder: Path) -> dict[str, Any]:
    """Write ``overlay/NAME.png`` and, at the image's size, ``index/NAME.png`` (8-bit classes) and ``colour/NAME.png``.

    Args:
        source: the image; its EXIF orientation is applied, grey becomes RGB, an alpha channel is dropped.
        segmenter: the network.
        info: its classes and colours.
        folder: of the results.

    Only the class indices are a result: a picture that cannot be written is told.

    Returns:
        The image's name and size, and the share of each class in it. ``assumed_bits``: as of ``Decoded``, if any.

    Raises:
        InputError: the file cannot be read, is no image, or is truncated.
    """
    image, assumed_bits = decode_image(source.path, info.image_bits)
    classes = segmenter(image)
    name = f"{source.name}.png"
    write_png(folder / "index" / name, classes)
    with decoration(f"the picture {folder / 'colour' / name}"):
        write_png(folder / "colour" / name, colour_map(torch.from_numpy(classes), info.colours))
    with decoration(f"the picture {folder / 'overlay' / name}"):
        write_png(folder / "overlay" / name, overlay(image, classes, info.classes, info.colours))
    share = shares(classes)
    return {
        "source": str(source.path),
        "name": source.name,
        "size": f"{image.shape[0]}x{image.shape[1]}",
        **({} if assumed_bits is None else {"assumed_bits": assumed_bits}),
        "classes": {info.classes[i]: float(share[i]) for i in present(classes)},
    }


def write_png(path: Path, picture: Array) -> None:
    """Write ``(H, W)`` or RGB ``(H, W, 3)`` uint8, atomically; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, content = cv2.imencode(".png", picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    write_atomic(path, content.tobytes())
