"""Strong augmentation for training from scratch: random scale, crop, flip and colour jitter on the images' device."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from experiments.data.dataset import Split
from experiments.data.streams import WEIGHTS, BatchStream
from experiments.data.transforms import downsample_labels, normalise
from experiments.options.groups import IGNORE

SCALES = (0.75, 1.75)
"""Smallest and largest random scale: the paper's 0.375 to 0.875 for images that we use at half their size."""
JITTER = 0.3
"""Brightness, contrast and saturation are each multiplied by 1 - JITTER to 1 + JITTER."""
GREY = 127
"""Colour outside of an image; normalised, it is nearly the 0 that convolutions pad with."""


class View(NamedTuple):
    """The region that is cut out of one image.

    Args:
        top: its first row, in pixels of the image; negative if it begins outside of the image.
        left: its first column.
        height: its rows.
        width: its columns.
        flip: whether it is mirrored left to right.
        jitter: factors of brightness, contrast and saturation.
    """

    top: int
    left: int
    height: int
    width: int
    flip: bool
    jitter: tuple[float, float, float]


def draw_views(count: int, size: tuple[int, int], crop: tuple[int, int], generator: torch.Generator) -> list[View]:
    """A random view of each of ``count`` images of ``size``: ``crop`` over its scale, inside the image or around it."""
    low, high = SCALES
    scale = low + (high - low) * torch.rand(count, generator=generator)
    place, flip = torch.rand(count, 2, generator=generator), torch.rand(count, generator=generator) < 0.5
    jitter = 1 + JITTER * (2 * torch.rand(count, 3, generator=generator) - 1)
    region = (torch.tensor(crop) / scale[:, None]).round().long().clamp(min=1)  # (N, 2)
    corner = ((torch.tensor(size) - region) * place).round().long()
    numbers = zip(corner.tolist(), region.tolist(), flip.tolist(), jitter.tolist(), strict=True)
    return [View(top, left, height, width, f, (a, b, c)) for (top, left), (height, width), f, (a, b, c) in numbers]


def cut(image: Tensor, label: Tensor, view: View, crop: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A view of an image and its label, scaled to ``crop``; outside of the image it is grey and ignored.

    Args:
        image: ``(3, H, W)`` uint8.
        label: ``(H, W)`` uint8.
        view: the region.
        crop: height and width of the result.
    """
    bottom, right = view.top + view.height, view.left + view.width
    sides = (-view.left, -view.top, right - label.shape[1], bottom - label.shape[0])
    outside = [max(side, 0) for side in sides]  # pixels at the left, above, at the right, below
    top, left = max(view.top, 0), max(view.left, 0)
    image, label = image[:, top:bottom, left:right], label[None, top:bottom, left:right]
    brightness, contrast, saturation = view.jitter
    image = F.adjust_saturation(F.adjust_contrast(F.adjust_brightness(image, brightness), contrast), saturation)
    if any(outside):
        image, label = F.pad(image, outside, fill=GREY), F.pad(label, outside, fill=IGNORE)
    image = F.resize(image, list(crop), interpolation=InterpolationMode.BILINEAR, antialias=True)
    label = F.resize(label, list(crop), interpolation=InterpolationMode.NEAREST_EXACT)
    if view.flip:
        image, label = F.horizontal_flip(image), F.horizontal_flip(label)
    return image, label[0]


class CropStream(BatchStream):
    """A ``BatchStream`` with another augmentation: its images are random views of those of the split.

    Args:
        split: the images, uint8.
        batch: images per batch.
        seed: the run's seed.
        crop: height and width of the batches' images.
        label_stride: label resolution, in pixels a cell; 1 keeps all pixels.
        stream: of a search: ``WEIGHTS`` or ``ARCHITECTURE``.
        rank: as of ``BatchStream``.
        world: as of ``BatchStream``.
    """

    def __init__(
        self,
        split: Split,
        batch: int,
        seed: int,
        crop: tuple[int, int],
        label_stride: int = 8,
        *,
        stream: int = WEIGHTS,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(split, batch, seed, stream, label_stride=label_stride, rank=rank, world=world)
        self.crop = crop

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator, size = self.generator(), self.split.labels.shape
        order = torch.randperm(len(self.split), generator=generator).tolist()
        views = draw_views(len(order), (size[1], size[2]), self.crop, generator)
        part = self.batch // self.world
        for start in range(self.rank * part, len(self) * self.batch, self.batch):
            chosen = [(i, views[i]) for i in order[start : start + part]]
            pairs = [cut(self.split.images[i], self.split.labels[i], view, self.crop) for i, view in chosen]
            images, labels = (torch.stack(part) for part in zip(*pairs, strict=True))
            yield normalise(images), downsample_labels(labels, self.label_stride)
