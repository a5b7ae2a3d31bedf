"""Whether an exported file gives the answer of the network that it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from experiments.data.dataset import Split
from experiments.data.transforms import normalise
from experiments.export.deployed import Deployed
from experiments.export.settings import FileRunner
from experiments.metrics.miou import confusion_matrix, mean_iou
from experiments.runtime.interface import Interface
from nas_space.blocks import upsample
from nas_space.errors import InputError


@dataclass(frozen=True)
class Agreement:
    """How far a file agrees with the network.

    Args:
        max_logit_difference: largest absolute difference of two logits.
        equal_pixels: share of the pixels whose class is the same.
        images: number of images that were tried.
    """

    max_logit_difference: float
    equal_pixels: float
    images: int

    def within(self, difference: float, equal: float) -> bool:
        """Whether logits differ by at most ``difference``, and at least the share ``equal`` of the pixels is equal."""
        return self.max_logit_difference <= difference and self.equal_pixels >= equal


def compare_answers(run: FileRunner, network: nn.Module, interface: Interface, images: Sequence[Tensor]) -> Agreement:
    """Give a file and the network the same images.

    Args:
        run: the file.
        network: what it was made from, as it was trained.
        interface: the file's.
        images: ``(1, 3, H, W)`` each, uint8.

    Raises:
        InputError: the network's own logits are not finite.
    """
    reference = Deployed(network, interface).eval()
    difference, equal, total = 0.0, 0, 0
    for image in images:
        given = as_input(image, interface)
        with torch.inference_mode():
            expected = reference.logits(given)
        if not bool(expected.isfinite().all()):
            raise InputError("checkpoint: the network's logits are not finite numbers; train it again")
        answer = run(given.numpy())
        logits = torch.from_numpy(answer.logits)
        if logits.shape != expected.shape:
            raise ValueError(f"logits of shape {tuple(logits.shape)} instead of {tuple(expected.shape)}")
        worst = float((logits - expected).abs().max())
        difference = max(difference, worst if np.isfinite(worst) else float("inf"))
        size = image.shape[-2], image.shape[-1]
        classes = torch.from_numpy(answer.output) if interface.argmax else _classes(logits, size)
        same = classes == (expected.argmax(1) if interface.argmax else _classes(expected, size))
        equal, total = equal + int(same.sum()), total + same.numel()
    return Agreement(difference, equal / total, len(images))


def as_input(image: Tensor, interface: Interface) -> Tensor:
    """Images ``(N, 3, H, W)`` uint8 as a file takes them."""
    return image.permute(0, 2, 3, 1).contiguous() if interface.pixels else normalise(image)


def score(run: FileRunner, interface: Interface, split: Split, classes: int) -> float:
    """MIoU of a file on a split, at the labels' size, in [0, 1]."""
    confusion = torch.zeros(classes, classes, dtype=torch.long)
    for image, label in zip(split.images.split(1), split.labels.split(1), strict=True):
        output = torch.from_numpy(run(as_input(image, interface).numpy()).output)
        size = label.shape[-2], label.shape[-1]
        if not interface.argmax:
            output = _classes(output, size)
        elif output.shape[-2:] != size:
            output = nn.functional.interpolate(output[None].float(), size=size, mode="nearest-exact")[0]
        confusion += confusion_matrix(output, label, classes)
    return mean_iou(confusion)


def _classes(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return (logits if logits.shape[-2:] == size else upsample(logits, size)).argmax(1)
