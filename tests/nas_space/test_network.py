"""The plain network: shapes at any size, both heads, and parameters as the cost model counts them."""

import random
from collections.abc import Callable
from typing import Literal

import pytest
import torch

from nas_space.architecture import Architecture, baseline1
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.network import SegmentationNetwork


@pytest.mark.parametrize("size", [(32, 32), (32, 33), (33, 32), (39, 47), (45, 60), (64, 96)], ids=str)
@pytest.mark.parametrize(("head", "stride"), [("encoder", 8), ("aggregation", 4)])
def test_logits_have_the_promised_size(
    size: tuple[int, int], head: Literal["encoder", "aggregation"], stride: int, tiny: Callable[..., SpaceConfig]
) -> None:
    network = SegmentationNetwork(Architecture.random(tiny(), random.Random(0)), 5, head)
    assert network(torch.randn(2, 3, *size)).shape == (2, 5, -(-size[0] // stride), -(-size[1] // stride))


@pytest.mark.parametrize("seed", range(10))
def test_parameters_are_what_cost_says(seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    architecture = Architecture.random(tiny(), random.Random(seed))
    network = SegmentationNetwork(architecture, 7)
    assert sum(p.numel() for p in network.parameters()) == cost(architecture, (64, 64), 7).params


def test_parameters_of_the_papers_baseline() -> None:
    with torch.device("meta"):
        network = SegmentationNetwork(baseline1(SpaceConfig.paper()), 19)
    assert sum(p.numel() for p in network.parameters()) == 961_807


def test_dilation_and_pooling_have_no_parameters(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(("dilation", "pooling"))
    networks = [SegmentationNetwork(Architecture.random(space, random.Random(seed)), 3) for seed in range(4)]
    assert len({network.architecture for network in networks}) == 4
    assert len({sum(p.numel() for p in network.parameters()) for network in networks}) == 1


@pytest.mark.parametrize("head", ["encoder", "aggregation"])
def test_every_parameter_gets_a_gradient(
    head: Literal["encoder", "aggregation"], tiny: Callable[..., SpaceConfig]
) -> None:
    network = SegmentationNetwork(Architecture.random(tiny(), random.Random(1)), 3, head)
    network(torch.randn(2, 3, 49, 52)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    # A bias just before a batch norm has no effect in training; everything else has.
    silent = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().max() == 0}
    assert all("conv1x3.bias" in name or "down" in name for name in silent)


def test_an_unknown_head_is_refused(tiny: Callable[..., SpaceConfig]) -> None:
    with pytest.raises(ValueError, match="decoder"):
        SegmentationNetwork(baseline1(tiny()), 3, "decoder")  # type: ignore[arg-type]
