"""What is drawn, against pixels counted by hand and another library's masks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from experiments.data.files import DataError
from experiments.data.formats.shapes import Drawing, Pixels, Polygons, RunLengths, Shape, as_points, describe_overhang
from experiments.options.groups import IGNORE

FILE = Path("labels.json")


def box(left: float, top: float, right: float, bottom: float, **more: Any) -> Polygons:
    corners = [left, top, right, top, right, bottom, left, bottom]
    return Polygons(FILE, "shapes[0]", (as_points(FILE, "shapes[0]", corners),), **more)


def drawn(*shapes: Shape, size: tuple[int, int] = (6, 8), **more: Any) -> np.ndarray:
    return Drawing(FILE, shapes, **more).draw(*size)


def test_a_box_covers_its_pixels_and_no_other() -> None:
    label = drawn(Shape(3, box(2, 1, 5, 4)))
    expected = np.zeros((6, 8), np.uint8)
    expected[1:4, 2:5] = 3
    assert (label == expected).all() and label.dtype == np.uint8
    assert (drawn(Shape(3, box(2 / 8, 1 / 6, 5 / 8, 4 / 6, is_relative=True))) == expected).all()


def test_what_lies_outside_is_cut_off() -> None:
    assert (drawn(Shape(1, box(-5, -5, 2, 99))) == np.repeat([[1, 1, 0, 0, 0, 0, 0, 0]], 6, 0)).all()


@pytest.mark.parametrize(
    ("is_by_area", "expected"), [(False, [2, 2, 2, 2, 0]), (True, [2, 1, 2, 2, 0])], ids=["order", "area"]
)
def test_overlaps(is_by_area: bool, expected: list[int]) -> None:
    small, large = Shape(1, box(1, 0, 2, 1)), Shape(2, box(0, 0, 4, 1))
    assert drawn(small, large, size=(1, 5), is_by_area=is_by_area).tolist() == [expected]


def test_parts_are_united_and_one_outline_may_have_a_hole() -> None:
    one, two = box(0, 0, 3, 1).parts + box(2, 0, 5, 1).parts
    assert drawn(Shape(1, Polygons(FILE, "", (one, two))), size=(1, 6)).tolist() == [[1, 1, 1, 1, 1, 0]]
    # In and out by the same way, as tools write a hole into one polygon.
    ring = [0, 0, 5, 0, 5, 5, 0, 5, 0, 0, 1, 1, 1, 4, 4, 4, 4, 1, 1, 1]
    label = drawn(Shape(1, Polygons(FILE, "", (as_points(FILE, "", ring),))), size=(5, 5))
    assert label.sum() == 16 and not label[1:4, 1:4].any()


def test_objects_smaller_than_a_pixel_leave_none() -> None:
    assert not drawn(Shape(1, box(1.1, 1.1, 1.3, 1.3))).any()


def test_both_forms_of_run_lengths() -> None:
    mask = np.random.default_rng(0).integers(0, 2, (37, 53)).astype(np.uint8)
    short = coco.encode(np.asfortranarray(mask))["counts"].decode()
    flat = mask.ravel(order="F")
    ends = [0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]
    runs = tuple(([0] if flat[0] else []) + np.diff(ends).tolist())
    for counts in (short, runs):
        label = drawn(Shape(7, RunLengths(FILE, "", (37, 53), counts)), size=(37, 53))
        assert (label == 7 * mask).all()


@pytest.mark.parametrize("counts", [(10, 38, 1), (40, 9), (50, -2), (), "~~", "00", "P", "", "\u00e9"])
def test_runs_that_do_not_fill_the_image(counts: Any) -> None:
    with pytest.raises(
        DataError, match=r"labels.json: annotations\[3\]: the mask does not fill its image of 48 pixels"
    ):
        RunLengths(FILE, "annotations[3]", (6, 8), counts)(6, 8)


def test_run_lengths_of_another_size() -> None:
    with pytest.raises(DataError, match=r"the mask differs in size from its image, height x width \(6x8 and 8x6\)"):
        RunLengths(FILE, "annotations[3]", (8, 6), (48,))(6, 8)


@pytest.mark.parametrize("place", [(9, 0, 12, 3), (-4, 0, -1, 3), (0, 6.5, 3, 8), (-1e9, 0, 1e9, 3)])
def test_a_polygon_outside(place: tuple[float, float, float, float]) -> None:
    with pytest.raises(
        DataError, match=r"shapes\[0\]: the outline lies outside of the image, height x width 6x8; coord"
    ):
        box(*place)(6, 8)


def test_a_small_mask_at_its_place() -> None:
    mask = np.ones((3, 3), bool)
    assert drawn(Shape(1, Pixels(FILE, "", mask, -1, 4))).sum() == 4
    with pytest.raises(DataError, match="outside of the image"):
        Pixels(FILE, "", mask, 8, 0)(6, 8)


@pytest.mark.parametrize(
    "numbers", [[1, 2, 3, 4], [], [1, 2, 3], [1, "a"], None, [[1, 2], [3]], [0, 0, 1, 1, 2, 1e999]]
)
def test_what_is_no_outline(numbers: Any) -> None:
    with pytest.raises(DataError, match=r"labels.json: here: .*; draw a polygon, or export it as segmentation"):
        as_points(FILE, "here", numbers)


def test_a_remark_on_what_reaches_beyond() -> None:
    inside, beyond = Shape(1, box(0, 0, 8.5, 6)), Shape(1, box(0, 0, 12, 6))
    assert describe_overhang([Drawing(FILE, (inside,), (6, 8)), Drawing(FILE, (beyond,))]) is None
    remark = describe_overhang([Drawing(FILE, (inside, beyond, Shape(IGNORE, beyond.encode)), (6, 8))])
    assert (
        remark is not None and not remark.stops and str(remark).startswith("2 outlines reach beyond the image (first")
    )
