"""Batches that can be repeated: order and augmentation depend on seed, stream and epoch alone."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from experiments.data.dataset import Split
from experiments.data.transforms import augment, downsample_labels, draw_augmentation, normalise

WEIGHTS, ARCHITECTURE = 0, 1
"""The two training streams of a bi-level search."""


@dataclass(eq=False, repr=False)
class BatchStream(IterableDataset[tuple[Tensor, Tensor]]):
    """One pass over a split in batches, ready for the network.

    Order and augmentations of an epoch are drawn at its start from ``(seed, stream, epoch)`` alone, so a resumed run
    sees the same batches. Iterating does not advance the epoch: call ``set_epoch``. Batches are on the device of the
    split. A ``DataLoader`` of the stream needs ``batch_size=None`` and no workers.

    Args:
        split: the images, uint8.
        batch: images per batch.
        seed: the run's seed.
        stream: ``WEIGHTS`` or ``ARCHITECTURE``: streams of one seed are shuffled independently.
        shuffle: a new order each epoch, without an incomplete last batch if there are others; else the split's order.
        augment: flip and shift at random.
        label_stride: label resolution, in pixels a cell; 1 keeps all pixels.
        rank: which of the ``world`` contiguous, equal parts of each batch comes; order and augmentations are the same.
        world: parts of a batch, one for each device.

    Yields:
        Images ``(B, 3, H, W)`` float32 and labels ``(B, ceil(H/stride), ceil(W/stride))`` int64; B = batch / world.

    Raises:
        ValueError: the split is empty, ``batch`` is below 1, or batches cannot be divided into equal parts.
    """

    split: Split
    batch: int
    seed: int
    stream: int
    shuffle: bool = True
    augment: bool = True
    label_stride: int = 8
    rank: int = 0
    world: int = 1
    epoch: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        images = f"{len(self.split)} images"
        if len(self.split) == 0 or self.batch < 1:
            raise ValueError(f"no batches of {self.batch} from {images}")
        if self.world > 1 and (self.batch % self.world or len(self.split) < self.batch or not self.shuffle):
            raise ValueError(f"no {self.world} equal parts of whole batches of {self.batch} from {images}")

    @property
    def resolution(self) -> str:
        """Height and width of the labels that it yields, as ``12x16``: a score belongs to them."""
        height, width = (-(-side // self.label_stride) for side in self.split.labels.shape[-2:])
        return f"{height}x{width}"

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration goes through."""
        self.epoch = epoch

    def generator(self) -> torch.Generator:
        """A new generator for the epoch, from seed, stream and epoch alone."""
        return torch.Generator().manual_seed(mix_seeds(self.seed, self.stream, self.epoch))

    def whole(self) -> "BatchStream":
        """The same epoch in whole batches."""
        stream = copy(self)
        stream.rank, stream.world = 0, 1
        return stream

    def __len__(self) -> int:
        """Batches an epoch."""
        count = len(self.split)
        return max(count // self.batch, 1) if self.shuffle else -(-count // self.batch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if torch.utils.data.get_worker_info() is not None:
            raise RuntimeError("BatchStream is in memory: use num_workers=0 (each worker would repeat the whole epoch)")
        count, device, generator = len(self.split), self.split.images.device, self.generator()
        order = torch.randperm(count, generator=generator) if self.shuffle else torch.arange(count)
        drawn = draw_augmentation(count, generator)
        order, flip, shift = order.to(device), drawn.flip.to(device), drawn.shift.to(device)
        part = self.batch // self.world
        for start in range(self.rank * part, len(self) * self.batch, self.batch):
            index = order[start : start + part]
            images, labels = self.split.images[index], self.split.labels[index]
            if self.augment:
                images, labels = augment(images, labels, type(drawn)(flip[index], shift[index]))
            yield normalise(images), downsample_labels(labels, self.label_stride)


def val_stream(split: Split, batch: int, label_stride: int = 8) -> BatchStream:
    """Every image once, in order, without augmentation."""
    return BatchStream(split, batch, seed=0, stream=WEIGHTS, shuffle=False, augment=False, label_stride=label_stride)


def mix_seeds(*key: int) -> int:
    """A 64-bit seed from integers; neighbouring integers give unrelated random numbers."""
    return int(np.random.SeedSequence([part % 2**64 for part in key]).generate_state(1, np.uint64)[0])
