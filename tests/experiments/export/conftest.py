"""Networks that have learned something: mistakes in the folding of batch norms show."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from nas_space.architecture import Architecture
from nas_space.network import SegmentationNetwork


def learned(network: SegmentationNetwork) -> SegmentationNetwork:
    """Random weights, with batch norms that fit them: some scales are negative, and the classes of an image are not all the same."""
    with torch.no_grad():
        norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.weight[::5] *= -1
            norm.bias.normal_(std=0.3)
            norm.momentum = None  # the mean over all batches
        network.train()(torch.empty(8, 3, 64, 96).uniform_(-2, 2))
        network.eval()
        classifier = network.head if isinstance(network.head, nn.Conv2d) else network.head.classifier
        assert isinstance(classifier, nn.Conv2d)
        classifier.weight.mul_(4)
        image = torch.empty(1, 3, 64, 96).uniform_(-2, 2)
        classifier.bias.sub_(network(image).mean((0, 2, 3)))  # type: ignore[union-attr]
        assert len(network(image).argmax(1).unique()) > 2
    return network


@pytest.fixture
def network(tiny: Callable[..., Any]) -> Callable[..., SegmentationNetwork]:
    """``network(seed, head)``: a random network of the tiny space, with 5 classes."""

    def make(seed: int = 0, head: Any = "encoder") -> SegmentationNetwork:
        return learned(SegmentationNetwork(Architecture.random(tiny(), random.Random(seed)), 5, head))

    return make


@pytest.fixture
def randomised() -> Callable[[SegmentationNetwork], SegmentationNetwork]:
    """``learned`` for networks of any space."""
    return learned
