"""mIoU and accuracy from one confusion matrix over the whole set, as the field computes them: not averaged by image."""

import torch
from torch import Tensor


def confusion_matrix(prediction: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """Count pixels by (label, prediction); labels outside ``[0, num_classes)`` are ignored.

    Shape:
        prediction and label: integer, any shape but the same -> int64 ``(num_classes, num_classes)``, rows are labels.
    """
    valid = (label >= 0) & (label < num_classes)
    cells = label[valid].long() * num_classes + prediction[valid].long()
    return torch.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_iou(confusion: Tensor) -> Tensor:
    """Intersection over union of each class, float64 ``(classes,)``; nan for a class that never occurs."""
    counts = confusion.double()
    intersection = counts.diagonal()
    return intersection / (counts.sum(0) + counts.sum(1) - intersection)


def mean_iou(confusion: Tensor) -> float:
    """Mean of ``class_iou`` over the classes that occur, in [0, 1]."""
    return float(class_iou(confusion).nanmean())


def class_accuracy(confusion: Tensor) -> Tensor:
    """Share of each class's pixels that are right, float64 ``(classes,)``; nan for a class without labels."""
    counts = confusion.double()
    return counts.diagonal() / counts.sum(1)


def pixel_accuracy(confusion: Tensor) -> float:
    """Share of valid pixels that are right, in [0, 1]."""
    return float(confusion.diagonal().sum() / confusion.sum())
