import random

import pytest
import torch
from torch import nn

from experiments.metrics.counter import count_module
from experiments.peers import create_peer
from nas_space.architecture import Architecture
from nas_space.cost import cost
from nas_space.network import SegmentationNetwork


@pytest.mark.parametrize("seed", range(6))
def test_our_networks_cost_what_the_closed_form_says(tiny, seed):
    """Two independent counts; even sizes, where no padding comes before a pooling."""
    architecture = Architecture.random(tiny(), random.Random(seed))
    found, exact = count_module(SegmentationNetwork(architecture, 5), (64, 96)), cost(architecture, (64, 96), 5)
    assert (found.params, found.macs_conv, found.macs_total) == (exact.params, exact.macs_conv, exact.macs_total)
    assert found.unknown == {}


def test_odd_sizes_have_the_same_convolutions(tiny):
    architecture = Architecture.random(tiny(), random.Random(1))
    assert (
        count_module(SegmentationNetwork(architecture, 5), (67, 101)).macs_conv
        == cost(architecture, (67, 101), 5).macs_conv
    )


@pytest.mark.parametrize(
    ("module", "conv", "rest"),
    [
        (nn.Conv2d(3, 8, 3, padding=1, groups=1, bias=False), 32 * 48 * 8 * 3 * 9, 0),
        (nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3), 16 * 24 * 6 * 9, 16 * 24 * 6),
        (nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), 32 * 48 * 3 * 4 * 9, 64 * 96 * 4),
        (nn.BatchNorm2d(3), 0, 2 * 3 * 32 * 48),
        (nn.ReLU(), 0, 3 * 32 * 48),
        (nn.Hardswish(), 0, 3 * 32 * 48),
        (nn.AvgPool2d(2), 0, 3 * 32 * 48),
        (nn.MaxPool2d(2, ceil_mode=True), 0, 3 * 32 * 48),
        (nn.AdaptiveAvgPool2d(1), 0, 3 * 32 * 48),
        (nn.UpsamplingBilinear2d(scale_factor=2), 0, 3 * 64 * 96),
    ],
    ids=str,
)
def test_each_operator_by_hand(module, conv, rest):
    found = count_module(module, (32, 48))
    assert (found.macs_conv, found.macs_total, found.unknown) == (conv, conv + rest, {})


def test_published_costs_of_the_peers():
    erfnet, lraspp = (
        count_module(create_peer(name, 19), (512, 1024)) for name in ("erfnet", "lraspp_mobilenet_v3_large")
    )
    assert (erfnet.params, round(erfnet.macs_conv / 1e9, 1)) == (2_064_191, 26.6)
    assert (lraspp.params, round(lraspp.macs_conv / 1e9, 2)) == (3_221_198, 3.94)
    assert erfnet.unknown == lraspp.unknown == {}


def test_what_is_not_known_is_listed():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.cumsum(x, 1) + torch.erf(x) + torch.erf(2 * x)

    assert count_module(Odd(), (32, 32)).unknown == {"cumsum": 1, "erf": 2}


def test_the_network_is_left_as_it_is():
    module = nn.Conv2d(3, 4, 3).train()
    count_module(module, (32, 32))
    assert module.training and module.weight.device.type == "cpu"
