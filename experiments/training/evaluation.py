"""Loss and mIoU of a network on a stream of labelled batches."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.training.confusion import class_iou, confusion_matrix, mean_iou, pixel_accuracy
from nas_space.blocks import upsample


@dataclass(frozen=True)
class Scores:
    """Validation scores: mean loss over valid pixels (weighted as in training), mIoU, IoU of each class, pixel accuracy."""

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
    total, batches = torch.zeros((), dtype=torch.float64, device=device), 0
    for images, labels in stream:
        images, labels = images.to(device), labels.to(device)
        logits = network(images).float()
        if logits.shape[-2:] != labels.shape[-2:]:
            logits = upsample(logits, (labels.shape[-2], labels.shape[-1]))
        total += loss(logits, labels)
        batches += 1
        confusion += confusion_matrix(logits.max(1).indices, labels, num_classes)  # argmax is several times slower on CPUs
    network.train(was_training)
    return Scores(float(total) / max(batches, 1), mean_iou(confusion), tuple(class_iou(confusion).tolist()), pixel_accuracy(confusion))


@torch.no_grad()
def largest_difference(first: nn.Module, second: nn.Module, images: Tensor) -> float:
    """Largest absolute difference between the logits of two networks in ``eval`` mode, on ``images (B, 3, H, W)``."""
    modes = first.training, second.training
    difference = float((first.eval()(images) - second.eval()(images)).abs().max())
    first.train(modes[0])
    second.train(modes[1])
    return difference
