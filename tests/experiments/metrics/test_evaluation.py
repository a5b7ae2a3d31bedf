"""The validation loss, batch by batch, where labels are missing."""

import math

import pytest
import torch
from torch import Tensor, nn

from experiments.metrics.evaluation import evaluate
from experiments.training.losses import OhemCrossEntropy

WEIGHTS = torch.tensor([1.0, 2.0, 5.0])


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(3, 3, 1)


def batch(images: int, labelled: bool = True) -> tuple[Tensor, Tensor]:
    labels = torch.randint(0, 3, (images, 4, 5))
    labels[:, 0] = 255
    return torch.randn(images, 3, 4, 5), labels if labelled else torch.full_like(labels, 255)


@pytest.mark.parametrize(
    "loss", [nn.CrossEntropyLoss(WEIGHTS, ignore_index=255), OhemCrossEntropy(WEIGHTS)], ids=("plain", "ohem")
)
def test_a_batch_without_a_labelled_pixel_does_not_count(network: nn.Module, loss: nn.Module) -> None:
    first, last = batch(4), batch(4)
    without, scores = (
        evaluate(network, [first, last], loss, 3),
        evaluate(network, [first, batch(4, False), last], loss, 3),
    )
    assert math.isfinite(without.loss) and scores == without


def test_the_loss_is_the_mean_of_the_batches(network: nn.Module) -> None:
    """Bit for bit as a sum of float32 losses in float64; a short last batch counts as the others do."""
    loss, batches = nn.CrossEntropyLoss(WEIGHTS, ignore_index=255), [batch(4), batch(4), batch(1)]
    with torch.no_grad():
        values = [float(loss(network(images), labels)) for images, labels in batches]
    assert evaluate(network, batches, loss, 3).loss == sum(values) / 3


def test_no_labelled_pixel_at_all(network: nn.Module) -> None:
    scores = evaluate(network, [batch(2, False)], nn.CrossEntropyLoss(ignore_index=255), 3)
    assert math.isnan(scores.loss) and math.isnan(scores.miou)


def test_a_loss_that_is_not_finite_is_told(network: nn.Module) -> None:
    with torch.no_grad():
        network.bias.fill_(math.nan)  # type: ignore[operator, union-attr]
    assert math.isnan(evaluate(network, [batch(2), batch(2, False)], nn.CrossEntropyLoss(ignore_index=255), 3).loss)
