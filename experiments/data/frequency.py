"""How often each class occurs, and the loss weights that make up for it."""

import torch
from torch import Tensor

from experiments.data.dataset import IGNORE


def class_frequencies(labels: Tensor, num_classes: int) -> Tensor:
    """Share of each class among the pixels that are not ignored.

    Args:
        labels: any shape, class indices, 255 where ignored.
        num_classes: number of classes.

    Returns:
        ``(num_classes,)`` float32 on the labels' device, summing to 1 (all zero where every pixel is ignored).
    """
    counts = torch.bincount(labels[labels != IGNORE].long(), minlength=num_classes).float()
    return counts / counts.sum().clamp(min=1)


def class_weights(labels: Tensor, num_classes: int, k: float = 1.2) -> Tensor:
    """ENet's bounded class weights ``w_c = 1 / ln(k + frequency_c)`` (arXiv:1606.02147, section 5.2).

    Weights lie between ``1 / ln(1 + k)`` and ``1 / ln(k)``: 1.27 and 5.48 for the default k, milder than ENet's own 1.02.

    Args:
        labels: training labels at the logits' resolution, any shape, 255 where ignored.
        num_classes: number of classes.
        k: above 1; the closer to 1, the more a rare class weighs.

    Returns:
        ``(num_classes,)`` float32 on the labels' device.
    """
    return 1 / torch.log(k + class_frequencies(labels, num_classes))
