"""Scores of a trained network over a split, at the labels' own resolution; one image is in memory at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from experiments.data.source import Sample
from experiments.metrics.boundary import TOLERANCE, Counts, boundary_counts, boundary_f1
from experiments.metrics.miou import class_accuracy, class_iou, confusion_matrix, mean_iou, pixel_accuracy
from experiments.options.groups import IGNORE
from experiments.prediction.segmenter import TorchSegmenter
from nas_space.errors import InputError


@dataclass(frozen=True)
class Evaluation:
    """Counts over a split, from which every score follows.

    Args:
        confusion: pixels by (label, prediction), ``(classes, classes)`` int64.
        outlines: of ``boundary_counts``, ``(classes, 4)``.
        images: how many.
        resolutions: the different heights and widths of the labels, the smallest first.
    """

    confusion: Tensor
    outlines: Counts
    images: int
    resolutions: tuple[tuple[int, int], ...]

    @property
    def resolution(self) -> str:
        """``HxW`` of the labels; that of the smallest and of the largest if they differ."""
        ends = dict.fromkeys((self.resolutions[0], self.resolutions[-1]))
        return " to ".join(f"{height}x{width}" for height, width in ends)

    def summary(self, classes: Sequence[str]) -> dict[str, Any]:
        """All scores, in [0, 1].

        IoU (``per_class``) is nan for a class in neither labels nor predictions, accuracy for a class without labels,
        boundary F1 for a class without outlines. Means are over the other classes.
        """
        outlines = boundary_f1(self.outlines)
        with_outlines = outlines[~np.isnan(outlines)]
        accuracy = class_accuracy(self.confusion)
        return {
            "miou": mean_iou(self.confusion),
            "per_class": dict(zip(classes, class_iou(self.confusion).tolist(), strict=True)),
            "pixel_accuracy": pixel_accuracy(self.confusion),
            "mean_class_accuracy": float(accuracy.nanmean()),
            "per_class_accuracy": dict(zip(classes, accuracy.tolist(), strict=True)),
            "boundary_f1": float(with_outlines.mean()) if with_outlines.size else float("nan"),
            "per_class_boundary_f1": dict(zip(classes, outlines.tolist(), strict=True)),
            "boundary_tolerance": TOLERANCE,
            "images": self.images,
            "pixels": int(self.confusion.sum()),
            "resolution": self.resolution,
        }


def score(segmenter: TorchSegmenter, samples: Sequence[Sample], num_classes: int) -> Evaluation:
    """Go through ``samples`` once, with a progress bar on a terminal.

    Raises:
        InputError: a file that is wrong, or not one labelled pixel in all.
    """
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.long)
    outlines = np.zeros((num_classes, 4), np.int64)
    resolutions = set()
    for sample in tqdm(samples, desc="evaluate", unit="image", disable=None):
        image, label = sample.read()
        height, width = label.shape
        prediction = segmenter(image, (height, width))
        confusion += confusion_matrix(torch.from_numpy(prediction), torch.from_numpy(label), num_classes)
        outlines += boundary_counts(prediction, label, num_classes)
        resolutions.add((height, width))
    if not confusion.any():
        raise InputError(f"data: no image of the split has a labelled pixel (other than {IGNORE}); nothing to score")
    by_area = sorted(resolutions, key=lambda size: (size[0] * size[1], size))
    return Evaluation(confusion, outlines, len(samples), tuple(by_area))
