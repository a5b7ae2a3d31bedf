"""From uint8 images and labels to the input of a network and its target; everything runs on the tensors' device."""

from typing import NamedTuple

import torch
from torch import Tensor

from experiments.options.groups import IGNORE

MAX_SHIFT = 2
"""Largest random translation in pixels, along each axis, as in the training of ERFNet."""


class Augmentation(NamedTuple):
    """Augmentations of N images; a whole epoch is drawn at once, and applied batch by batch.

    Args:
        flip: ``(N,)`` bool, mirrored left to right.
        shift: ``(N, 2)`` int64, pixels down and to the right.
    """

    flip: Tensor
    shift: Tensor


def draw_augmentation(count: int, generator: torch.Generator) -> Augmentation:
    """Flip with probability one half and shift by up to ``MAX_SHIFT`` pixels, for ``count`` images."""
    flip = torch.rand(count, generator=generator) < 0.5
    shift = torch.randint(-MAX_SHIFT, MAX_SHIFT + 1, (count, 2), generator=generator)
    return Augmentation(flip, shift)


def augment(images: Tensor, labels: Tensor, augmentation: Augmentation) -> tuple[Tensor, Tensor]:
    """Flip, then shift, each image together with its label; the inputs stay as they are.

    The strip that a shift uncovers repeats the image's border and is ignored in the label.

    Args:
        images: ``(N, 3, H, W)`` uint8.
        labels: ``(N, H, W)`` uint8.
        augmentation: for N images, on the same device.

    Returns:
        New tensors of the same shapes and types.
    """
    count, channels, height, width = images.shape
    flip, shift = augmentation
    rows = torch.arange(height, device=images.device) - shift[:, :1]  # (N, H): where each output row comes from
    columns = torch.arange(width, device=images.device) - shift[:, 1:]  # (N, W)
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]  # (N, H, W)
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    columns = torch.where(flip[:, None], width - 1 - columns, columns)
    # One gather along each axis: index tensors stay small, and there is no loop over images.
    images = images.gather(2, rows[:, None, :, None].expand(count, channels, height, width))
    images = images.gather(3, columns[:, None, None, :].expand(count, channels, height, width))
    labels = labels.gather(1, rows[:, :, None].expand(count, height, width))
    labels = labels.gather(2, columns[:, None, :].expand(count, height, width))
    return images, labels.masked_fill_(~inside, IGNORE)


def normalise(images: Tensor) -> Tensor:
    """``(x / 255 - 0.5) / 0.25``: 0..255 becomes -2..2, the same for every channel and every data set.

    Args:
        images: uint8, any shape.

    Returns:
        float32, the same shape.
    """
    return images.float().mul_(4 / 255).sub_(2)


def downsample_labels(labels: Tensor, stride: int = 8) -> Tensor:
    """Labels at the resolution of the logits: the pixel at the centre of every ``stride`` x ``stride`` cell.

    Cell i gives pixel ``stride * i + stride // 2``; a last cell that the border cuts gives the centre of its rest.
    (``interpolate(mode="nearest")`` would give each cell's corner, half a cell away.)

    Args:
        labels: ``(N, H, W)`` uint8.
        stride: cell size in pixels.

    Returns:
        ``(N, ceil(H/stride), ceil(W/stride))`` int64.
    """
    rows, columns = (_centres(size, stride, labels.device) for size in labels.shape[-2:])
    return labels[:, rows[:, None], columns].long()


def _centres(size: int, stride: int, device: torch.device) -> Tensor:
    start = torch.arange(0, size, stride, device=device)
    return (start + (start + stride).clamp(max=size)) // 2
