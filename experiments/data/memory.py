"""A data set read into memory: every image and label at one size, as uint8."""

from collections.abc import Sequence

import cv2
import numpy as np
import psutil
import torch

from experiments.data.dataset import LabelCounts, SegmentationData, Split
from experiments.data.files import Array
from experiments.data.label_counts import Counted, count_label, stack
from experiments.data.parallel import in_threads
from experiments.data.source import DataSource, Sample
from nas_space.errors import InputError

READ = ("train", "val")
"""The splits that training holds in memory."""


def read_source(source: DataSource, size: tuple[int, int]) -> SegmentationData:
    """Read the training and the validation split.

    Args:
        source: the data set.
        size: height and width in pixels that images and labels are resized to.

    Raises:
        InputError: it does not fit, or a file is wrong; the message names it.
    """
    check_memory(source, size)
    parts = (_read_split(source.splits[split], size, f"{source.name}: {split}") for split in READ)
    (train, train_counts), (val, val_counts) = parts
    return SegmentationData(
        source.name,
        source.classes,
        source.colours,
        train,
        val,
        source=source,
        train_counts=train_counts,
        val_counts=val_counts,
    )


def check_memory(source: DataSource, size: tuple[int, int]) -> None:
    """Check that images and labels fit into the free memory.

    Raises:
        InputError: they take more than is free.
    """
    images = sum(len(source.splits[split]) for split in READ)
    needed, free = images * size[0] * size[1] * 4, psutil.virtual_memory().available  # three channels and a label
    if needed > free:
        sizes = f"{size[0]}x{size[1]} take {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free"
        raise InputError(f"data: {images} images of {sizes}; give a smaller --data.size, or a --data.limit")


def resize_image(image: Array, size: tuple[int, int]) -> Array:
    """``(H, W, 3)`` uint8 at another height and width."""
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    # INTER_AREA averages the pixels that become one: right only if the image becomes smaller.
    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.astype(np.uint8, copy=False)


def resize_label(label: Array, size: tuple[int, int]) -> Array:
    """``(H, W)`` uint8 at another height and width, each pixel from the nearest one."""
    # INTER_NEAREST takes the corner of the source pixels; INTER_NEAREST_EXACT takes their centre, as resize_image does.
    return cv2.resize(label, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8, copy=False)


def _read_split(samples: Sequence[Sample], size: tuple[int, int], title: str) -> tuple[Split, LabelCounts]:
    images = np.empty((len(samples), 3, *size), np.uint8)
    labels = np.empty((len(samples), *size), np.uint8)

    def read(index: int) -> Counted:
        image, label = samples[index].read()
        images[index] = resize_image(image, size).transpose(2, 0, 1)
        labels[index] = resize_label(label, size)
        return count_label(label, size)

    counts = stack(in_threads(read, range(len(samples)), title))
    split = Split(torch.from_numpy(images), torch.from_numpy(labels), tuple(sample.name for sample in samples))
    return split, counts
