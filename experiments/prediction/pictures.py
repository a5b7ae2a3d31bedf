"""An image with the colours of its classes laid over it, and a legend below it."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from experiments.data.files import Array
from experiments.report.gallery import colour_map
from experiments.report.lettering import drawable

Colour = tuple[int, int, int]
OPACITY = 0.55
NARROWEST = 256
"""Smallest width of a picture in pixels, so that its legend can be read."""


def blend(image: Array, classes: Array, colours: Sequence[Colour]) -> Array:
    """The image with the colours of its classes over it, ``(H, W, 3)`` uint8.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        classes: ``(H, W)`` uint8.
        colours: RGB of each class.
    """
    picture = colour_map(torch.from_numpy(classes), colours)
    # Whole numbers are several times faster than float.
    opaque = round(256 * OPACITY)
    return ((image.astype(np.uint16) * (256 - opaque) + picture.astype(np.uint16) * opaque) >> 8).astype(np.uint8)


def overlay(
    image: Array,
    classes: Array,
    names: Sequence[str],
    colours: Sequence[Colour],
    shown: Sequence[int] | None = None,
    size: tuple[int, int] | None = None,
) -> Array:
    """The blended image, with the names and colours of classes below it.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        classes: ``(H, W)`` uint8.
        names: of all classes.
        colours: of all classes.
        shown: classes in the legend; those in ``classes`` if absent.
        size: height and width to which the image is fitted with its colours; its own if absent.

    Returns:
        ``(H + legend, max(W, NARROWEST), 3)`` uint8 RGB.
    """
    shown = present(classes) if shown is None else shown
    blended = blend(image, classes, colours)
    if size is not None and size != classes.shape:
        blended = fitted(blended, size)
    height, width = blended.shape[:2]
    shown_names, shown_colours = tuple(names[i] for i in shown), tuple(colours[i] for i in shown)
    letters = int(np.clip((height * width) ** 0.5 / 36, 12, 64))  # height in pixels
    panel = legend(shown_names, shown_colours, max(width, NARROWEST), letters)
    canvas = np.full((height + panel.shape[0], panel.shape[1], 3), 255, np.uint8)
    canvas[:height, :width] = blended
    canvas[height:] = panel
    return canvas


def fitted(picture: Array, size: tuple[int, int]) -> Array:
    """The whole picture at another size, its sides in proportion, in the middle of a white canvas.

    Args:
        picture: ``(H, W, 3)`` uint8 RGB.
        size: height and width of the canvas.
    """
    height, width = picture.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = max(round(height * scale), 1), max(round(width * scale), 1)
    canvas = np.full((*size, 3), 255, np.uint8)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    resized = cv2.resize(picture, inner[::-1], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas[top : top + inner[0], left : left + inner[1]] = resized
    return canvas


def present(classes: Array) -> list[int]:
    """The classes that occur, ascending."""
    return np.flatnonzero(shares(classes)).tolist()


def shares(classes: Array) -> np.ndarray:
    """Share of the pixels of each of 256 classes, ``(256,)``."""
    return cv2.calcHist([classes], [0], None, [256], [0, 256]).reshape(-1) / classes.size


@lru_cache(maxsize=64)
def legend(names: tuple[str, ...], colours: tuple[Colour, ...], width: int, size: int) -> Array:
    """A white panel with a coloured box and a name for each class, in as many lines as needed.

    Args:
        names: of the classes.
        colours: of the classes.
        width: of the panel, in pixels; the middle of a name that is longer is left out.
        size: of the letters, in pixels.

    Returns:
        ``(height, width, 3)`` uint8 RGB; not to be written to.
    """
    font, gap, line = _font(size), size // 2, round(1.7 * size)
    room = width - 2 * size - 2 * gap
    names = tuple(drawable(names, lambda text: font.getlength(text) <= room))
    places: list[tuple[int, int]] = []
    x = y = gap
    for name in names:
        length = 2 * size + gap + round(font.getlength(name))
        if x > gap and x + length + gap > width:
            x, y = gap, y + line
        places.append((x, y))
        x += length + 2 * gap
    panel = Image.new("RGB", (width, y + line if names else 0), "white")
    draw = ImageDraw.Draw(panel)
    for (left, top), name, colour in zip(places, names, colours, strict=True):
        draw.rectangle((left, top, left + round(1.6 * size), top + size), fill=colour, outline=(110, 110, 110))
        draw.text((left + 2 * size, top + size / 2), name, fill=(20, 20, 20), font=font, anchor="lm")
    return np.asarray(panel)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has the letters of most languages."""
    from matplotlib import get_data_path

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
