"""Boundary F1 against a search through all pairs of pixels, and by hand."""

import math

import numpy as np
import pytest

from experiments.metrics.boundary import TOLERANCE, Labels, boundary_counts, boundary_f1, outlines


def brute_outline(labels: Labels, index: int) -> list[tuple[int, int]]:
    """Pixels of a class with a neighbour of another class, one by one."""
    height, width = labels.shape
    found = []
    for y in range(height):
        for x in range(width):
            beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            others = [labels[i, j] for i, j in beside if 0 <= i < height and 0 <= j < width]
            if labels[y, x] == index and any(other not in (index, 255) for other in others):
                found.append((y, x))
    return found


def brute_counts(prediction: Labels, label: Labels, num_classes: int, tolerance: float) -> list[list[int]]:
    """The definition word by word, with every distance computed."""
    radius = tolerance * math.sqrt(label.shape[0] ** 2 + label.shape[1] ** 2)
    prediction = np.where(label == 255, 255, prediction).astype(np.uint8)
    rows = []
    for index in range(num_classes):
        ours, theirs = brute_outline(prediction, index), brute_outline(label, index)
        row = []
        for points, targets in ((ours, theirs), (theirs, ours)):
            row += [sum(any(math.dist(point, target) <= radius for target in targets) for point in points), len(points)]
        rows.append(row)
    return rows


def maps(rng: np.random.Generator, height: int, width: int) -> tuple[Labels, Labels]:
    """A blocky label with ignored pixels and without class 4, and a prediction that is shifted and noisy."""
    label = (
        rng.integers(0, 4, (-(-height // 6), -(-width // 7)), dtype=np.uint8)
        .repeat(6, 0)
        .repeat(7, 1)[:height, :width]
        .copy()
    )
    prediction = np.roll(label, rng.integers(-2, 3, 2), (0, 1))
    noise = rng.random(label.shape) < 0.03
    prediction[noise] = rng.integers(0, 4, int(noise.sum()), dtype=np.uint8)
    label[rng.random(label.shape) < 0.05] = 255
    label[:5, :9] = 255
    return prediction, label


@pytest.mark.parametrize("tolerance", [TOLERANCE, 0.0, 0.04, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_counts_equal_brute_force(seed: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    prediction, label = maps(rng, int(rng.integers(20, 40)), int(rng.integers(20, 40)))
    counts = boundary_counts(prediction, label, 5, tolerance)
    assert counts.tolist() == brute_counts(prediction, label, 5, tolerance)
    assert math.isnan(boundary_f1(counts)[4]) and not np.isnan(boundary_f1(counts)[:4]).any()


def test_a_distance_of_exactly_the_tolerance_counts() -> None:
    label, prediction = np.zeros((30, 40), np.uint8), np.zeros((30, 40), np.uint8)  # diagonal 50
    label[10, 10], prediction[13, 14] = 1, 1  # 5 pixels apart
    assert boundary_counts(prediction, label, 2, 0.1)[1].tolist() == [1, 1, 1, 1]
    assert boundary_counts(prediction, label, 2, 0.0999)[1].tolist() == [0, 1, 0, 1]


def test_perfect_wrong_and_absent() -> None:
    label = np.zeros((40, 60), np.uint8)
    label[:, 30:] = 1
    assert boundary_f1(boundary_counts(label, label, 3))[:2].tolist() == [1.0, 1.0]
    moved = np.roll(label, 20, 1)
    assert boundary_f1(boundary_counts(moved, label, 2)).tolist() == [0.0, 0.0]
    scores = boundary_f1(boundary_counts(np.zeros_like(label), label, 3))
    assert scores[:2].tolist() == [0.0, 0.0] and math.isnan(scores[2])
    assert np.isnan(
        boundary_f1(boundary_counts(np.zeros_like(label), np.zeros_like(label), 2))
    ).all()  # one class, no outline


def test_counts_of_images_are_pooled() -> None:
    """Precision 1/2 and recall 1/4 give 1/3, whatever the images' own scores."""
    first, second = np.array([[1, 2, 0, 4]] * 2), np.array([[0, 0, 1, 4]] * 2)
    assert boundary_f1(np.array([[1, 2, 1, 4]])).tolist() == pytest.approx([1 / 3])
    assert boundary_f1(first + second).tolist() == pytest.approx(boundary_f1(np.array([[1, 2, 1, 8]] * 2)).tolist())


def test_the_border_of_the_image_and_of_the_ignored_is_no_outline() -> None:
    labels = np.full((6, 8), 2, np.uint8)
    labels[:, 4] = 255
    assert not outlines(labels).any()
    labels[3, 0] = 1
    assert np.argwhere(outlines(labels)).tolist() == [[2, 0], [3, 0], [3, 1], [4, 0]]
    other = labels.copy()
    other[:, 4] = 0  # predicted where the label is ignored: nothing is known there
    assert boundary_counts(other, labels, 3).tolist() == boundary_counts(labels, labels, 3).tolist()
