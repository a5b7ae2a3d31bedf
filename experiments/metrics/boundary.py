"""Boundary F1: how well a prediction meets the outlines of each class.

It is the BF score of Csurka et al. (What is a good evaluation measure for semantic segmentation?, BMVC 2013), with
their tolerance of 0.75 % of the image's diagonal. They average the scores of images. We count pixels over all images
first, as for the mIoU: three pixels of a class in one image must not weigh as much as a street full of it.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from experiments.options.groups import IGNORE

TOLERANCE = 0.0075
"""Largest distance between two outlines that match, as a fraction of the image's diagonal."""

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


def outlines(labels: Labels) -> Mask:
    """Pixels that touch another class above, below, left or right.

    The border of the image is no outline, nor is the border of ignored pixels: the class beyond it is not known.

    Args:
        labels: class indices ``(H, W)``, 255 where ignored.

    Returns:
        ``(H, W)`` bool. The outline of class c are the marked pixels of class c, so each class has its own side.
    """
    mask = np.zeros(labels.shape, bool)
    for view, marked in ((labels, mask), (labels.T, mask.T)):
        differ = (view[1:] != view[:-1]) & (view[1:] != IGNORE) & (view[:-1] != IGNORE)
        marked[1:] |= differ
        marked[:-1] |= differ
    return mask


def boundary_counts(prediction: Labels, label: Labels, num_classes: int, tolerance: float = TOLERANCE) -> Counts:
    """Count the outline pixels of one image; the counts of a set are their sum.

    A pixel of a class's predicted outline is right if a pixel of that class's true outline is at most ``tolerance``
    times the diagonal away (of pixel centres, Euclidean), and the other way round. Ignored pixels do not count.

    Args:
        prediction: class indices ``(H, W)``.
        label: class indices ``(H, W)``, 255 where ignored.
        num_classes: number of classes.
        tolerance: a fraction of the diagonal.

    Returns:
        ``(num_classes, 4)``: right and all pixels of the predicted outline, right and all pixels of the true outline.
    """
    prediction = np.where(label == IGNORE, np.uint8(IGNORE), prediction)
    radius = tolerance * math.hypot(*label.shape)
    all_predicted, all_true = outlines(prediction), outlines(label)
    counts = np.zeros((num_classes, 4), np.int64)
    for index in np.union1d(prediction[all_predicted], label[all_true]):
        predicted, true = all_predicted & (prediction == index), all_true & (label == index)
        box = _bounding_box(predicted | true)  # distances inside it do not depend on what lies outside
        predicted, true = predicted[box], true[box]
        counts[index] = _near(predicted, true, radius), predicted.sum(), _near(true, predicted, radius), true.sum()
    return counts


def boundary_f1(counts: Counts) -> npt.NDArray[np.float64]:
    """F1 of each class: the harmonic mean of the shares of predicted and of true outline pixels that are right.

    Args:
        counts: of ``boundary_counts``, ``(classes, 4)``.

    Returns:
        ``(classes,)`` in [0, 1]; nan for a class without any outline, 0 if only labels or only predictions have one.
    """
    right_predicted, predicted, right_true, true = counts.astype(np.float64).T
    precision, recall = right_predicted / np.maximum(predicted, 1), right_true / np.maximum(true, 1)
    both = precision + recall
    score = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
    return np.where(predicted + true > 0, score, np.nan)


def _bounding_box(mask: Mask) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _near(points: Mask, targets: Mask, radius: float) -> int:
    """How many of ``points`` have a target within ``radius`` pixels."""
    if not targets.any():
        return 0
    distance = cv2.distanceTransform((~targets).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    squared = np.rint(distance[points].astype(np.float64) ** 2)  # whole, but for the rounding of its float32 root
    return int((squared <= radius**2).sum())
