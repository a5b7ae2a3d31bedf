"""From outlines to label images: polygons and run-length codes are drawn when a sample is read, always alike.

pycocotools draws: a pixel belongs to a polygon whose outline goes round its centre, by the even-odd rule. The upper
left corner of an image is (0, 0), the lower right one (width, height). What lies beyond the image is cut off.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.data.faults import outside, pointless, wrong_mask
from experiments.data.files import Array, DataError, read_image
from experiments.data.labels import sizes_error
from experiments.data.pages import check_image
from experiments.options.groups import IGNORE

Points = npt.NDArray[np.float64]
Code = dict[str, Any]
"""A run-length code as pycocotools has it."""
FAR = 16
"""A point this many sides away from the image is no slip of the hand."""


@dataclass(frozen=True)
class Shape:
    """One object that is not drawn yet.

    Args:
        index: of its class; 255 for what is ignored.
        encode: gives its run-length code in an image of some height and width. Raises ``DataError`` where it does not
            fit.
    """

    index: int
    encode: Callable[[int, int], Code]


@dataclass(frozen=True)
class Drawing:
    """The objects of one image.

    Args:
        path: the file that they come from.
        shapes: later ones lie over earlier ones.
        size: height and width of the image as the file gives it; None where it does not.
        is_by_area: smaller objects lie over larger ones instead.
    """

    path: Path
    shapes: tuple[Shape, ...] = ()
    size: tuple[int, int] | None = None
    is_by_area: bool = False

    def draw(self, height: int, width: int) -> Array:
        """The label ``(H, W)``: class indices, 0 (background) where no object is, 255 where ignored.

        Raises:
            DataError: an object does not fit.
        """
        from pycocotools import mask as coco

        label = np.zeros((height, width), np.uint8)
        codes = [(shape.index, shape.encode(height, width)) for shape in self.shapes]
        if self.is_by_area:
            codes.sort(key=lambda pair: -int(coco.area(pair[1])))
        start = 0
        while start < len(codes):  # neighbours of one class are drawn at once
            index, stop = codes[start][0], start + 1
            while stop < len(codes) and codes[stop][0] == index:
                stop += 1
            label[_decode(coco.merge([code for _, code in codes[start:stop]]))] = index
            start = stop
        return label


def read_drawn(
    image_path: Path, drawing: Drawing, first_page: bool = False, bits: int | None = None
) -> tuple[Array, Array]:
    """One image and its label, drawn at the image's own resolution.

    Returns:
        Image ``(H, W, 3)`` RGB and label ``(H, W)``: class indices, 255 where ignored.

    Raises:
        DataError: the image is wrong, it has not the size that the labels were made at, or an object does not fit.
    """
    if not first_page:
        check_image(image_path)
    image = read_image(image_path, bits, first_page)
    height, width = image.shape[:2]
    if drawing.size is not None and drawing.size != (height, width):
        raise sizes_error(image_path, drawing.path, (height, width), drawing.size)
    return image, drawing.draw(height, width)


def as_points(path: Path, where: str, numbers: object) -> Points:
    """``[x, y, x, y, ...]`` or ``[[x, y], ...]`` as ``(N, 2)``.

    Raises:
        DataError: they are no such numbers, or fewer than three points.
    """
    try:
        points = np.asarray(numbers, np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        raise pointless(path, where, "the outline is no list of pairs of numbers") from None
    if not np.isfinite(points).all():
        raise pointless(path, where, "the outline holds a number that is not finite")
    if len(points) < 3:
        raise pointless(path, where, f"an outline of {len(points)} point{'s' * (len(points) != 1)} has no area")
    return points


@dataclass(frozen=True)
class Polygons:
    """Encodes an object of one or more polygons, which are united.

    Args:
        path: the file, for messages.
        where: the place in it.
        parts: ``(N, 2)`` each: x and y.
        is_relative: they are shares of width and height.
    """

    path: Path
    where: str
    parts: tuple[Points, ...]
    is_relative: bool = False

    def __call__(self, height: int, width: int) -> Code:
        """The code.

        Raises:
            DataError: a polygon lies outside of the image.
        """
        from pycocotools import mask as coco

        parts = [part * (width, height) if self.is_relative else part for part in self.parts]
        for part in parts:
            check_inside(self.path, self.where, part, (height, width), self.is_relative)
        # Four numbers would be taken for a box, but there are three points at least.
        codes = coco.frPyObjects([part.ravel().tolist() for part in parts], height, width)
        code: Code = coco.merge(codes)
        return code


def check_inside(path: Path, where: str, points: Points, size: tuple[int, int], is_relative: bool = False) -> None:
    """Refuse a polygon of which nothing lies in the image; what reaches beyond it a little is cut off.

    Raises:
        DataError: it lies outside.
    """
    sides = np.array(size[::-1], np.float64)
    low, high = points.min(0), points.max(0)
    if (high < 0).any() or (low > sides).any() or (low < -FAR * sides).any() or (high > (FAR + 1) * sides).any():
        made = "shares of width and height, from 0 to 1" if is_relative else "pixels of this image, at this size"
        raise outside(path, where, size, f"coordinates must be {made}: correct them, or export it again")


@dataclass(frozen=True)
class RunLengths:
    """Encodes an object that is a run-length code already.

    Args:
        path: the file, for messages.
        where: the place in it.
        size: height and width in the code.
        counts: lengths of runs, or COCO's short form of them.
    """

    path: Path
    where: str
    size: tuple[int, int]
    counts: tuple[int, ...] | str

    def __call__(self, height: int, width: int) -> Code:
        """The code.

        Raises:
            DataError: it is of another size than the image, or its runs do not fill it.
        """
        from pycocotools import mask as coco

        if self.size != (height, width):
            sizes = "height x width ({}x{} and {}x{})".format(height, width, *self.size)
            raise wrong_mask(self.path, self.where, f"differs in size from its image, {sizes}")
        counts = _lengths(self.counts) if isinstance(self.counts, str) else list(self.counts)
        # The library writes wherever the runs lead.
        if counts is None or min(counts, default=0) < 0 or sum(counts) != height * width:
            raise wrong_mask(self.path, self.where, f"does not fill its image of {height * width} pixels")
        code: Code = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        return code


def _decode(code: Code) -> npt.NDArray[np.bool_]:
    """The pixels ``(H, W)`` of a run-length code. The library's own function needs what NumPy will remove."""
    lengths = _lengths(code["counts"].decode()) or []
    height, width = code["size"]
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(width, height).T


def _lengths(text: str) -> list[int] | None:
    """Lengths of runs from COCO's short form; None where it is no such text.

    A letter has six bits: five of a number, and one that says whether it goes on. From the fourth number on, it is the
    difference to the last but one.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return None if shift else counts


@dataclass(frozen=True)
class Pixels:
    """Encodes an object that is a small mask at a place in the image.

    Args:
        path: the file, for messages.
        where: the place in it.
        mask: ``(h, w)`` bool.
        left: column of its first pixel.
        top: row of it.
    """

    path: Path
    where: str
    mask: npt.NDArray[np.bool_]
    left: int
    top: int

    def __call__(self, height: int, width: int) -> Code:
        """The code.

        Raises:
            DataError: the mask lies outside of the image.
        """
        from pycocotools import mask as coco

        rows, columns = self.mask.shape
        if not (-rows < self.top < height and -columns < self.left < width):
            hint = "coordinates must be pixels of this image, at this size: correct them, or export it again"
            raise outside(self.path, self.where, (height, width), hint)
        whole = np.zeros((height, width), np.uint8, order="F")
        top, left = max(self.top, 0), max(self.left, 0)
        part = self.mask[top - self.top :, left - self.left :][: height - top, : width - left]
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part
        code: Code = coco.encode(whole)
        return code


def is_labelled(drawings: Sequence[Drawing]) -> bool:
    """Whether there is any object that is not ignored."""
    return any(shape.index != IGNORE for drawing in drawings for shape in drawing.shapes)


def describe_overhang(drawings: Sequence[Drawing]) -> DataError | None:
    """A remark on polygons that reach more than a pixel beyond their image, where the size is known."""
    found: list[Polygons] = []
    for drawing in drawings:
        for shape in drawing.shapes:
            polygons = shape.encode
            sides = (1.0, 1.0) if drawing.size is None else drawing.size[::-1]
            if isinstance(polygons, Polygons) and (drawing.size is not None or polygons.is_relative):
                slack = 0.01 if polygons.is_relative else 1.0
                ends = np.concatenate(polygons.parts)
                if (ends < -slack).any() or (ends > np.array(sides) + slack).any():
                    found.append(polygons)
    if not found:
        return None
    many = "1 outline reaches" if len(found) == 1 else f"{len(found)} outlines reach"
    text = f"{many} beyond the image (first {found[0].path}: {found[0].where}); what lies outside is cut off"
    return DataError("beyond the image", found[0].path, text, stops=False)
