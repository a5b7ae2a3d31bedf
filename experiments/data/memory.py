"""Reading a data set into memory: every image and label at one size, as uint8."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from experiments.data.dataset import SegmentationData, Split
from experiments.data.files import Array
from experiments.data.source import DataSource, Sample


def read_source(source: DataSource, size: tuple[int, int]) -> SegmentationData:
    """Read the training and the validation split.

    Args:
        source: the data set.
        size: height and width in pixels that images and labels are resized to.

    Raises:
        InputError: whatever is wrong with a file; the message names it.
    """
    train, val = (_read_split(source.splits[split], size) for split in ("train", "val"))
    return SegmentationData(source.name, source.classes, source.colours, train, val)


def resize_image(image: Array, size: tuple[int, int]) -> Array:
    """``(H, W, 3)`` uint8 at another height and width, averaged where it becomes smaller."""
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    # INTER_AREA averages what falls into a pixel, which is right only where the image becomes smaller.
    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.astype(np.uint8, copy=False)


def resize_label(label: Array, size: tuple[int, int]) -> Array:
    """``(H, W)`` uint8 at another height and width, each pixel from the nearest."""
    # INTER_NEAREST takes the corner of the source pixels, INTER_NEAREST_EXACT their centre, as the image does.
    return cv2.resize(label, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8, copy=False)


def _read_split(samples: Sequence[Sample], size: tuple[int, int]) -> Split:
    images = np.empty((len(samples), 3, *size), np.uint8)
    labels = np.empty((len(samples), *size), np.uint8)
    for i, sample in enumerate(samples):
        image, label = sample.read()
        images[i] = resize_image(image, size).transpose(2, 0, 1)
        labels[i] = resize_label(label, size)
    return Split(torch.from_numpy(images), torch.from_numpy(labels), tuple(sample.name for sample in samples))
