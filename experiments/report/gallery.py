"""Pictures of what a network sees: images, labels and predictions side by side, with the classes' colours."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments.data.dataset import SegmentationData, Split
from experiments.data.transforms import normalise
from experiments.report.lettering import LETTER, TEXT, WIDTH, Colours, class_legend, drawable, legend_height, letter
from nas_space.blocks import upsample

SHEET = 512
"""Pixels of the longer side of a picture in a sheet of predictions."""


def colour_map(labels: Tensor, colours: Colours) -> np.ndarray:
    """Class indices ``(H, W)`` -> RGB ``(H, W, 3)`` uint8; what is no class is black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(colours)] = colours
    return table[labels.cpu().numpy().astype(np.uint8)]


@torch.no_grad()
def predict(network: nn.Module, images: Tensor) -> Tensor:
    """Class indices ``(N, H, W)`` for images uint8 ``(N, 3, H, W)``: logits are upsampled bilinearly, then argmax."""
    was_training = network.training
    logits = network.eval()(normalise(images))
    network.train(was_training)
    return upsample(logits.float(), (images.shape[-2], images.shape[-1])).argmax(1)


def prediction_sheet(network: nn.Module, split: Split, colours: Colours, count: int = 3) -> np.ndarray:
    """Rows of image, label and prediction, of ``count`` images spread evenly over ``split``, as one picture.

    Args:
        network: images ``(N, 3, H, W)`` -> logits.
        split: images and labels of one size.
        colours: of the classes.
        count: how many; fewer where the split is smaller.

    Returns:
        RGB ``(rows * h, 3 * w, 3)`` uint8, with ``(h, w)`` the labels' size, a whole number of times smaller where its
        longer side is more than ``SHEET``.
    """
    count = min(count, len(split))
    chosen = split.subset([i * len(split) // count for i in range(count)])
    device = next(network.parameters()).device
    predictions = predict(network, chosen.images.to(device))
    stride = -(-max(chosen.labels.shape[-2:]) // SHEET)
    rows = [
        np.concatenate(
            [
                image.permute(1, 2, 0).cpu().numpy()[::stride, ::stride],
                *(colour_map(classes, colours)[::stride, ::stride] for classes in (label, prediction)),
            ],
            axis=1,
        )
        for image, label, prediction in zip(chosen.images, chosen.labels, predictions, strict=True)
    ]
    return np.concatenate(rows)


def validation_figure(network: nn.Module, split: Split, data: SegmentationData, count: int = 4) -> Figure:
    """Images, labels and predictions of ``count`` images spread evenly over ``split``.

    Args:
        network: images ``(N, 3, H, W)`` -> logits.
        split: the images, on the network's device.
        data: for the classes and their colours.
        count: how many; fewer where the split is smaller.
    """
    count = min(count, len(split))
    chosen = split.subset([i * len(split) // count for i in range(count)])
    predictions = predict(network, chosen.images)
    height, width = chosen.labels.shape[-2:]
    tall = 3 * WIDTH / count * height / width + legend_height(data.classes, WIDTH)
    figure = Figure(figsize=(WIDTH, tall), layout="constrained")
    rows = {
        "image": [image.permute(1, 2, 0).cpu().numpy() for image in chosen.images],
        "label": [colour_map(label, data.colours) for label in chosen.labels],
        "found": [colour_map(prediction, data.colours) for prediction in predictions],
    }
    for axes_row, (name, pictures) in zip(figure.subplots(3, count, squeeze=False), rows.items(), strict=True):
        for axes, picture in zip(axes_row, pictures, strict=True):
            axes.imshow(picture)
            axes.set(xticks=[], yticks=[])
        axes_row[0].set_ylabel(name, fontsize=TEXT)
    class_legend(figure, data.classes, data.colours)
    return figure


def side_by_side(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    classes: Sequence[str] = (),
    colours: Colours = (),
    second_lines: Sequence[str] = (),
) -> Figure:
    """A row per scene, a column per view of it: RGB pictures ``(H, W, 3)``, or maps ``(h, w)``, scaled to their range.

    Args:
        rows: the pictures; those of a row are shown at the size of its first.
        titles: of the columns.
        classes: names for a legend; none if empty.
        colours: of these classes.
        second_lines: of the titles; several columns may then have one title. None if empty.
    """
    # A panorama gets margins, not a page of its own.
    aspects = [min(max(row[0].shape[0] / row[0].shape[1], 0.1), 3.0) for row in rows]
    column = WIDTH / min(3, len(titles))
    width = column * len(titles)
    height = (
        sum(aspects) * column + (0.7 if second_lines else 0.5) + (legend_height(classes, width) if classes else 0.0)
    )
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(len(rows), len(titles), squeeze=False, height_ratios=aspects)
    for axes_row, row in zip(grid, rows, strict=True):
        down, across = row[0].shape[:2]
        for axes, picture in zip(axes_row, row, strict=True):
            axes.imshow(picture, extent=(0, across, down, 0), interpolation="nearest", cmap="viridis")
            axes.set_axis_off()
    letters = int(0.75 * column / LETTER)  # three quarters of the column: some letters are wider than most
    names = list(dict.fromkeys(titles)) if second_lines else list(titles)
    texts = drawable(names, lambda text: len(text) <= letters)
    for place, (axes, title) in enumerate(zip(grid[0], titles, strict=True)):
        text = f"{texts[names.index(title)]}\n{second_lines[place]}" if second_lines else texts[place]
        letter(axes.set_title("", fontsize=TEXT), text)
    if classes:
        class_legend(figure, classes, colours)
    return figure
