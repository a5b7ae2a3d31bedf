"""Loss and mIoU of a network on a stream of labelled batches."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.metrics.miou import class_iou, confusion_matrix, mean_iou, pixel_accuracy
from experiments.options.groups import IGNORE
from nas_space.blocks import upsample


@dataclass(frozen=True)
class Scores:
    """Validation scores.

    Args:
        loss: mean training loss of the batches with a labelled pixel, each with the same weight; NaN if there is none.
        miou: in [0, 1], of all pixels together.
        per_class: IoU of each class, in [0, 1]; NaN for a class in neither labels nor predictions.
        pixel_accuracy: share of labelled pixels that are right.
    """

    loss: float
    miou: float
    per_class: tuple[float, ...]
    pixel_accuracy: float


@torch.no_grad()
def evaluate(network: nn.Module, stream: Iterable[tuple[Tensor, Tensor]], loss: nn.Module, num_classes: int) -> Scores:
    """Evaluate in ``eval`` mode; the network's mode is restored.

    Args:
        network: images ``(B, 3, H, W)`` -> logits ``(B, classes, h, w)``.
        stream: batches of images and labels; logits are upsampled bilinearly to labels of another resolution.
        loss: the training loss.
        num_classes: number of classes.
    """
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.long, device=device)
    total = torch.zeros((), dtype=torch.float64, device=device)
    batches = torch.zeros((), dtype=torch.long, device=device)
    for images, labels in stream:
        images, labels = images.to(device), labels.to(device)
        logits = network(images).float()
        if logits.shape[-2:] != labels.shape[-2:]:
            logits = upsample(logits, (labels.shape[-2], labels.shape[-1]))
        labelled = (labels != IGNORE).any()  # stays on its device: nothing waits for a GPU
        total += torch.where(labelled, loss(logits, labels), 0.0)  # without a labelled pixel the loss is 0/0
        batches += labelled
        # ``max`` is several times faster on CPUs than ``argmax``.
        confusion += confusion_matrix(logits.max(1).indices, labels, num_classes)
    network.train(was_training)
    per_class = tuple(class_iou(confusion).tolist())
    return Scores(float(total / batches), mean_iou(confusion), per_class, pixel_accuracy(confusion))


@torch.no_grad()
def largest_difference(first: nn.Module, second: nn.Module, images: Tensor) -> float:
    """Largest absolute difference between the logits of two networks in ``eval`` mode, on ``images (B, 3, H, W)``."""
    modes = first.training, second.training
    difference = float((first.eval()(images) - second.eval()(images)).abs().max())
    first.train(modes[0])
    second.train(modes[1])
    return difference
