"""OHEM against a plain reference that sorts pixel by pixel."""

import math

import pytest
import torch
from torch import Tensor

from experiments.training.losses import OhemCrossEntropy


def reference(logits: Tensor, labels: Tensor, threshold: float, share: float, weight: Tensor | None) -> float:
    """Pixel by pixel, in Python."""
    pixels = []
    for image, label in zip(logits.double(), labels, strict=True):
        for y, x in ((y, x) for y in range(label.shape[0]) for x in range(label.shape[1])):
            if (own := int(label[y, x])) != 255:
                values = [math.exp(float(value)) for value in image[:, y, x]]
                pixels.append((values[own] / sum(values), 1.0 if weight is None else float(weight[own])))
    pixels.sort()
    least = max(int(len(pixels) * share), 1)
    kept = [pixel for place, pixel in enumerate(pixels) if place < least or pixel[0] < threshold]
    return sum(-math.log(p) * w for p, w in kept) / sum(w for _, w in kept)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [0.3, 2.0, 8.0], ids=("all hard", "some hard", "nearly none hard"))
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_what_a_sort_gives(seed: int, scale: float, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 5, (2, 9, 11), generator=generator)
    logits = torch.nn.functional.one_hot(labels, 5).permute(0, 3, 1, 2).float() * scale + torch.randn(
        2, 5, 9, 11, generator=generator
    )
    labels[torch.rand(2, 9, 11, generator=generator) < 0.3] = 255
    weight = torch.rand(5, generator=generator) + 0.5 if weighted else None
    found = OhemCrossEntropy(weight, threshold=0.7, share=1 / 16)(logits, labels)
    assert float(found) == pytest.approx(reference(logits, labels, 0.7, 1 / 16, weight), rel=1e-4)


def test_with_everything_kept_it_is_cross_entropy() -> None:
    logits, labels, weight = torch.randn(2, 4, 6, 7), torch.randint(0, 4, (2, 6, 7)), torch.rand(4)
    labels[0, 0] = 255
    plain = torch.nn.CrossEntropyLoss(weight, ignore_index=255)(logits, labels)
    assert float(OhemCrossEntropy(weight, threshold=1e-9, share=1.0)(logits, labels)) == pytest.approx(
        float(plain), rel=1e-5
    )


def test_easy_pixels_get_no_gradient_and_hard_ones_do() -> None:
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    logits = torch.zeros(1, 2, 8, 8)
    logits[:, 0] = 4.0  # probability 0.98
    logits[0, 0, 3, :6] = -1.0
    logits.requires_grad_()
    OhemCrossEntropy(share=1 / 16)(logits, labels).backward()
    assert logits.grad is not None
    assert (logits.grad[0, 0, 3, :6] != 0).all() and int((logits.grad[0, 0] != 0).sum()) == 6


def test_nothing_labelled_is_no_loss() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = OhemCrossEntropy(torch.ones(3))(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert float(loss.detach()) == 0 and logits.grad is not None and not logits.grad.any()
