"""The part of CIFAR-10 in one archive, as tensors and as batches."""

import io
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from nas_space.errors import InputError

ARCHIVE = "cifar10_jpeg.zip"
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""Of CIFAR-10's channels."""
SHIFT = 8
"""A side divided by this: how far the augmentation moves an image at most."""


class Images(NamedTuple):
    """Images and their classes.

    Shape:
        ``(N, 3, side, side)``, normalised, and ``(N,)``.
    """

    images: Tensor
    labels: Tensor

    def part(self, begin: int, end: int) -> "Images":
        """The images from ``begin`` to before ``end``."""
        return Images(self.images[begin:end], self.labels[begin:end])


def read_images(data: str, count: int, side: int) -> Images:
    """Training images, as many of each class as chance gives; always the same ones, in the same order.

    Args:
        data: folder of the archive.
        count: of images.
        side: pixels; below 32 the images are scaled down.

    Raises:
        InputError: the archive is missing, damaged or too small.
    """
    path = Path(data) / ARCHIVE
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.startswith("train/") and name.endswith(".jpg"))
            classes = sorted({name.split("/")[1] for name in names})
            if len(names) < count:
                raise InputError(f"{path}: holds {len(names)} training images; give at most that as --images")
            chosen = [names[k] for k in np.random.default_rng(0).permutation(len(names))[:count]]
            arrays = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in chosen]
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__}); give its folder by --data") from None
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255
    if side != pixels.shape[-1]:
        pixels = functional.interpolate(pixels, (side, side), mode="area")
    pixels = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    return Images(pixels, torch.tensor([classes.index(name.split("/")[1]) for name in chosen]))


class Batches:
    """Batches from an endless stream: one pass over the images after the other, each in a new order.

    Every image is moved a little and mirrored by chance.

    Args:
        images: to draw from.
        size: images of a batch.
        steps: batches of an epoch.
        seed: of orders and augmentation.
    """

    def __init__(self, images: Images, size: int, steps: int, seed: int) -> None:
        self.images, self.size, self.steps = images, size, steps
        self.generator = torch.Generator().manual_seed(seed)
        self._stream = self._endless()

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return islice(self._stream, self.steps)

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        many = len(self.images.labels)
        while True:
            order = torch.randperm(many, generator=self.generator)
            for places in order[: many - many % self.size].split(self.size):
                yield augment(self.images.images[places], self.generator), self.images.labels[places]


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by up to an eighth of its side, 0 where nothing was, and mirrored by chance.

    Shape:
        ``(N, 3, side, side)`` -> the same.
    """
    count, side = len(images), images.shape[-1]
    most = side // SHIFT
    padded = functional.pad(images, (most,) * 4)
    starts = torch.randint(2 * most + 1, (2, count, 1), generator=generator)
    rows, columns = starts + torch.arange(side)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    picked = padded.permute(0, 2, 3, 1)[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2).contiguous()
