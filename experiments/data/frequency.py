"""How often each class occurs, and the loss weights that balance rare classes."""

import torch
from torch import Tensor

from experiments.data.transforms import downsample_labels
from experiments.options.groups import IGNORE

CHUNK = 16
"""Labels that are counted at once: as int64, a whole set might not fit into memory."""


def class_frequencies(labels: Tensor, num_classes: int, stride: int = 1) -> Tensor:
    """Share of each class among the pixels that are not ignored.

    Args:
        labels: ``(N, H, W)`` class indices, 255 where ignored.
        num_classes: number of classes.
        stride: cell size of the labels, see ``downsample_labels``.

    Returns:
        ``(num_classes,)`` float32 on the labels' device; the sum is 1, or 0 if all pixels are ignored.
    """
    counts = torch.zeros(IGNORE + 1, dtype=torch.long, device=labels.device)
    for chunk in labels.split(CHUNK):
        counts += torch.bincount(downsample_labels(chunk, stride).flatten(), minlength=IGNORE + 1)
    frequencies = counts[:num_classes].float()
    return frequencies / frequencies.sum().clamp(min=1)


def class_weights(labels: Tensor, num_classes: int, k: float = 1.2, stride: int = 1) -> Tensor:
    """ENet's bounded class weights ``w_c = 1 / ln(k + frequency_c)`` (arXiv:1606.02147, section 5.2).

    Weights lie between ``1 / ln(1 + k)`` and ``1 / ln(k)``. Our default k gives 1.27 to 5.48; ENet's own is 1.02.

    Args:
        labels: training labels ``(N, H, W)``, 255 where ignored.
        num_classes: number of classes.
        k: above 1; the closer to 1, the more a rare class weighs.
        stride: cell size that gives the labels the logits' resolution.

    Returns:
        ``(num_classes,)`` float32 on the labels' device.
    """
    return 1 / torch.log(k + class_frequencies(labels, num_classes, stride))
