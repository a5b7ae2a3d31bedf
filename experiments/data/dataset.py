"""A segmentation data set in memory, which loaders return and batch streams read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from experiments.data.source import DataSource


@dataclass(frozen=True)
class Split:
    """Images with their labels, on one device.

    Args:
        images: ``(N, 3, H, W)`` uint8, RGB.
        labels: ``(N, H, W)`` uint8, class indices, 255 where ignored.
        names: what the images are called, one name for each image.

    Raises:
        ValueError: the three do not belong together.
    """

    images: Tensor
    labels: Tensor
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.labels.dtype != torch.uint8:
            raise ValueError(f"images and labels must be uint8, got {self.images.dtype} and {self.labels.dtype}")
        count, channels, height, width = self.images.shape
        if channels != 3 or self.labels.shape != (count, height, width) or len(self.names) != count:
            shapes = f"images {tuple(self.images.shape)}, labels {tuple(self.labels.shape)}"
            raise ValueError(f"{shapes} and {len(self.names)} names do not match")

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, indices: list[int]) -> Split:
        """A copy of the images at ``indices``, in that order."""
        index = torch.tensor(indices, dtype=torch.long, device=self.images.device)
        return Split(self.images[index], self.labels[index], tuple(self.names[i] for i in indices))

    def to(self, device: str | torch.device) -> Split:
        """The same split with its tensors on ``device``."""
        return Split(self.images.to(device), self.labels.to(device), self.names)


@dataclass(frozen=True)
class LabelCounts:
    """What the labels of a split hold, a row for each of N.

    Args:
        pixels: ``(N, 256)`` int64, pixels of each class index in the file; 255 is ignored.
        at_size: ``(N, 256)`` bool, which indices are left at ``data.size``.
        at_eighth: ``(N, 256)`` bool, which are left at an eighth of it.
    """

    pixels: npt.NDArray[np.int64]
    at_size: npt.NDArray[np.bool_]
    at_eighth: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SegmentationData:
    """A data set: its classes and both of its splits.

    Args:
        name: of the data set.
        classes: class names; a class's index is its place here.
        colours: RGB colour of each class, for pictures.
        train: images that weights and architecture are trained on.
        val: images that are only scored.
        source: the files that it was read from, if it was.
        train_counts: what the labels in these files hold.
        val_counts: the same of the validation split.
    """

    name: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    train: Split
    val: Split
    source: DataSource | None = None
    train_counts: LabelCounts | None = None
    val_counts: LabelCounts | None = None

    @property
    def image_bits(self) -> int | None:
        """Bits of a sample in image files of 16 bits, given or found in them."""
        return None if self.source is None else self.source.image_bits


def split_halves(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Divide a split at random into two disjoint parts: DARTS trains weights on one, the architecture on the other.

    Args:
        split: the images.
        fraction: share of the first part, between 0 and 1.
        seed: decides which image goes where.

    Returns:
        The two parts, each in the order of ``split``, neither of them empty.

    Raises:
        ValueError: ``fraction`` is not strictly between 0 and 1, or there are fewer than two images.
    """
    if not 0 < fraction < 1 or len(split) < 2:
        raise ValueError(f"cannot divide {len(split)} images at {fraction}: needs two images, 0 < fraction < 1")
    first = min(max(round(fraction * len(split)), 1), len(split) - 1)
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed)).tolist()
    return split.subset(sorted(order[:first])), split.subset(sorted(order[first:]))
