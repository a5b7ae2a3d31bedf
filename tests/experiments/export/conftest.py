"""Networks that have learned something: mistakes in the folding of batch norms show."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from nas_space.architecture import Architecture
from nas_space.network import SegmentationNetwork


def learned(module: nn.Module) -> nn.Module:
    """Weights as they are, statistics and scales of every batch norm drawn at random; some scales are negative."""
    with torch.no_grad():
        for norm in (part for part in module.modules() if isinstance(part, nn.BatchNorm2d)):
            assert norm.running_mean is not None and norm.running_var is not None
            norm.weight.uniform_(-0.5, 1.5)
            norm.bias.normal_()
            norm.running_mean.normal_(std=0.3)
            norm.running_var.uniform_(0.5, 2.0)
    return module.eval()


@pytest.fixture
def network(tiny: Callable[..., Any]) -> Callable[..., SegmentationNetwork]:
    """``network(seed, head)``: a random network of the tiny space, with 5 classes."""

    def make(seed: int = 0, head: Any = "encoder") -> SegmentationNetwork:
        made = learned(SegmentationNetwork(Architecture.random(tiny(), random.Random(seed)), 5, head))
        assert isinstance(made, SegmentationNetwork)
        return made

    return make
