"""Images of a data set with their labels beside them, as they were read."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments.data.files import DataError
from experiments.data.source import Sample, evenly
from experiments.report.gallery import colour_map, side_by_side
from experiments.report.lettering import Colours

SHOWN = 6
LARGEST = 512
"""Pixels of the longer side of a picture."""


def label_sheet(samples: Sequence[Sample], classes: Sequence[str], colours: Colours) -> Figure | None:
    """Up to ``SHOWN`` images, evenly spread, each with its label and with both in one; ignored pixels are black.

    Args:
        samples: of a split; one that cannot be read is left out.
        classes: names, for the legend.
        colours: of the classes.

    Returns:
        None where no chosen sample can be read.
    """
    rows: list[list[np.ndarray]] = []
    for sample in evenly(samples, SHOWN) if samples else ():
        try:
            image, label = sample.read()
        except DataError:
            continue  # the check names it
        stride = -(-max(label.shape) // LARGEST)
        image, coloured = image[::stride, ::stride], colour_map(torch.from_numpy(label), colours)[::stride, ::stride]
        rows.append([image, coloured, (image.astype(np.uint16) + coloured).astype(np.uint16) // 2])
    return side_by_side(rows, ("image", "label", "both"), classes, colours) if rows else None
