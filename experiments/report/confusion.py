"""Figures of a confusion matrix: what share of each class is taken for which class, and the IoU of each class."""

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.metrics.miou import class_iou
from experiments.report.colours import SERIES
from experiments.report.figures import INK, style
from experiments.report.lettering import drawable, letter

NUMBERED = 20
"""Most classes for which each field has its number."""


def confusion_figure(confusion: Any, classes: Sequence[str]) -> Figure:
    """A confusion matrix: what share of each class's pixels is taken for which class.

    Args:
        confusion: pixels by (label, prediction), an array ``(classes, classes)``.
        classes: names.
    """
    side = _side(classes)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    _draw_confusion(figure.subplots(), confusion, classes)
    return figure


def scores_figure(confusion: Any, classes: Sequence[str]) -> Figure:
    """A confusion matrix, and beside each of its rows the IoU of the class.

    Args:
        confusion: pixels by (label, prediction), an array ``(classes, classes)``.
        classes: names.
    """
    side = _side(classes)
    figure = Figure(figsize=(1.5 * side + 1, side), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    _draw_confusion(left, confusion, classes)
    percent = (100 * class_iou(torch.as_tensor(confusion))).tolist()
    drawn = [0.0 if value != value else value for value in percent]
    right.barh(range(len(classes)), drawn, color=SERIES[0])
    for place, value in enumerate(percent):
        text = " in no label, never predicted" if value != value else f" {value:.1f}"
        right.text(drawn[place], place, text, va="center", fontsize=8, color=INK)
    style(right, "IoU (%)", "", "both")
    right.set(xlim=(0, 115), xticks=range(0, 101, 25), yticks=[], ylim=(len(classes) - 0.5, -0.5))
    right.tick_params(labelsize=8)
    return figure


def _side(classes: Sequence[str]) -> float:
    """Inches of the matrix."""
    return min(3 + 0.4 * len(classes), 14)


def _draw_confusion(axes: Axes, confusion: Any, classes: Sequence[str]) -> None:
    shares = confusion / confusion.sum(1, keepdims=True).clip(1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(classes))
    axes.set(xticks=ticks, yticks=ticks, xlabel="prediction", ylabel="label")
    names = drawable(classes)
    for labels_of, rotation in ((axes.set_xticklabels, 90), (axes.set_yticklabels, 0)):
        for text, name in zip(labels_of(names, rotation=rotation, fontsize=8), names, strict=True):
            letter(text, name)
    for i in ticks if len(classes) <= NUMBERED else ():
        for j in ticks:
            color = "white" if shares[i, j] > 0.5 else INK
            axes.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=7, color=color)
