"""The delivered network on the validation images, which have chosen nothing: scores of all, and the best and worst."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from experiments.data.source import Sample
from experiments.metrics.miou import class_iou, confusion_matrix, mean_iou
from experiments.model_file import load_model
from experiments.prediction.options import EvalOptions
from experiments.prediction.segmenter import TorchSegmenter
from experiments.prediction.trained_on import as_trained, find_split
from experiments.report.gallery import colour_map, side_by_side
from experiments.runs.names import visible

SHOWN = 3
"""Best images, and as many worst ones."""


class Validation(NamedTuple):
    """Scores of a network on the validation images.

    Attributes:
        confusion: pixels by (label, prediction), ``(classes, classes)``.
        mious: of each image by itself, in the order of ``samples``.
        samples: the images.
        classes: names.
        colours: RGB of each class.
        segmenter: the network.
    """

    confusion: Tensor
    mious: list[float]
    samples: Sequence[Sample]
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    segmenter: TorchSegmenter

    def summary(self) -> Mapping[str, Any]:
        """``miou`` and ``per_class``, in [0, 1]."""
        ious = class_iou(self.confusion).tolist()
        return {"miou": mean_iou(self.confusion), "per_class": dict(zip(self.classes, ious, strict=True))}

    def weakest(self) -> list[str]:
        """A line for each of the ``SHOWN`` classes with the lowest IoU, none above one half.

        It says what the class is taken for, and what is taken for it.
        """
        ious = class_iou(self.confusion)
        order = [place for place in ious.argsort().tolist() if ious[place] < 0.5]  # NaN is not
        lines = []
        for place in order[:SHOWN]:
            row, column = self.confusion[place], self.confusion[:, place]
            found = f"{_share(row, place)} of its pixels are found" if row.sum() else "no pixel is labelled so"
            name, iou = visible(self.classes[place]), 100 * float(ious[place])
            told = [f"{name}: IoU {iou:.1f} %", found]
            told += [f"taken for it: {others}" for others in [self._others(column, place)] if others]
            told += [f"it is taken for: {others}" for others in [self._others(row, place)] if others]
            lines.append("; ".join(told) + ".")
        return lines

    def _others(self, counts: Tensor, own: int) -> str:
        """The two other classes with the largest shares of ``counts``, from 1 % on."""
        order = [other for other in counts.argsort(descending=True).tolist() if other != own][:2]
        shown = [other for other in order if 100 * int(counts[other]) >= int(counts.sum()) > 0]
        return ", ".join(f"{visible(self.classes[other])} ({_share(counts, other)})" for other in shown)

    def extremes(self) -> tuple[list[int], list[int]]:
        """Places of the best images, and of the worst of the others; the best, and the worst, first."""
        order = sorted((i for i, miou in enumerate(self.mious) if miou == miou), key=lambda i: -self.mious[i])
        best = order[: min(SHOWN, (len(order) + 1) // 2)]
        return best, order[len(best) :][::-1][:SHOWN]

    def pictures(self) -> Any:
        """A figure of the best and the worst: image, label and prediction."""
        best, worst = self.extremes()
        rows = []
        for place in (*best, *worst):
            image, label = self.samples[place].read()
            prediction = self.segmenter(image, (label.shape[0], label.shape[1]))
            maps = [colour_map(torch.from_numpy(one), self.colours) for one in (label, prediction)]
            rows.append([image, *maps])
        return side_by_side(rows, ["image", "label", "network"], self.classes, self.colours)


def _share(counts: Tensor, place: int) -> str:
    return f"{100 * float(counts[place]) / float(counts.sum()):.0f} %"


def validate(run: Path) -> Validation:
    """Score a trained network on each validation image, at its label's own resolution.

    Args:
        run: its folder.
    """
    network, info = load_model(run)
    segmenter = TorchSegmenter(network, EvalOptions().views(info.size))
    _, samples = find_split(str(run), info, as_trained(), "val")
    total = torch.zeros(len(info.classes), len(info.classes), dtype=torch.long)
    mious = []
    for sample in samples:
        image, label = sample.read()
        prediction = segmenter(image, (label.shape[0], label.shape[1]))
        one = confusion_matrix(torch.from_numpy(prediction), torch.from_numpy(label), len(info.classes))
        mious.append(mean_iou(one))
        total += one
    return Validation(total, mious, samples, info.classes, info.colours, segmenter)
