"""Boundary F1: how well the outlines of each class are met, beside how well its area is.

The BF score of Csurka et al. (What is a good evaluation measure for semantic segmentation?, BMVC 2013), with its
tolerance of 0.75 % of the image's diagonal. There each image has a score and the scores are averaged; here pixels are
counted over all images first, as they are for the mIoU, so that a class that shows three pixels in one image does not
weigh as much as a street full of it.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from experiments.options.groups import IGNORE

TOLERANCE = 0.0075
"""Farthest that two outlines may be apart, as a fraction of the image's diagonal."""

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


def outlines(labels: Labels) -> Mask:
    """Pixels that touch another class above, below, left or right.

    The image's border is no outline, and neither is the border of what is ignored: what lies beyond it is not known.

    Args:
        labels: class indices ``(H, W)``, 255 where ignored.

    Returns:
        ``(H, W)``; an outline of class c are those of its pixels that have class c, so each class has its own side.
    """
    found = np.zeros(labels.shape, bool)
    for here, there in (
        ((slice(1, None),), (slice(None, -1),)),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        first, second = labels[here], labels[there]
        differ = (first != second) & (first != IGNORE) & (second != IGNORE)
        found[here] |= differ
        found[there] |= differ
    return found


def boundary_counts(prediction: Labels, label: Labels, num_classes: int, tolerance: float = TOLERANCE) -> Counts:
    """Count the outline pixels of one image; the counts of a set are their sum.

    A pixel of a class's predicted outline is right where a pixel of that class's true outline lies at most
    ``tolerance`` times the image's diagonal away (Euclidean distance between pixel centres), and the other way round.
    Ignored pixels are ignored in both.

    Args:
        prediction: class indices ``(H, W)``.
        label: class indices ``(H, W)``, 255 where ignored.
        num_classes: number of classes.
        tolerance: a fraction of the diagonal.

    Returns:
        ``(num_classes, 4)``: of the predicted outline, pixels that are right and all pixels; of the true outline, the
        same.
    """
    prediction = np.where(label == IGNORE, np.uint8(IGNORE), prediction)
    radius = tolerance * math.hypot(*label.shape)
    guessed, true = outlines(prediction), outlines(label)
    counts = np.zeros((num_classes, 4), np.int64)
    for index in np.union1d(prediction[guessed], label[true]):
        ours, theirs = guessed & (prediction == index), true & (label == index)
        box = _box(ours | theirs)  # the distances between what lies in it do not depend on what lies outside
        ours, theirs = ours[box], theirs[box]
        counts[index] = _near(ours, theirs, radius), ours.sum(), _near(theirs, ours, radius), theirs.sum()
    return counts


def boundary_f1(counts: Counts) -> npt.NDArray[np.float64]:
    """F1 of each class: the harmonic mean of the shares of predicted and of true outline pixels that are right.

    Args:
        counts: of ``boundary_counts``, ``(classes, 4)``.

    Returns:
        ``(classes,)`` in [0, 1]; nan for a class without an outline in labels and predictions, 0 where only one of the
        two has any.
    """
    right_ours, ours, right_theirs, theirs = counts.astype(np.float64).T
    precision, recall = right_ours / np.maximum(ours, 1), right_theirs / np.maximum(theirs, 1)
    both = precision + recall
    score = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
    return np.where(ours + theirs > 0, score, np.nan)


def _box(mask: Mask) -> tuple[slice, slice]:
    """The smallest rectangle that holds all of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _near(points: Mask, targets: Mask, radius: float) -> int:
    """How many of ``points`` have one of ``targets`` within ``radius`` pixels."""
    if not targets.any():
        return 0
    distance = cv2.distanceTransform((~targets).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    squared = np.rint(
        distance[points].astype(np.float64) ** 2
    )  # a whole number, but for float32's rounding of its root
    return int((squared <= radius**2).sum())
