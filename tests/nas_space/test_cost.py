"""Exact cost: the paper's numbers, and an independent count of every operation that a network runs."""

import random
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from nas_space.architecture import Architecture, Layer, baseline1, baseline2
from nas_space.config import Head, SpaceConfig
from nas_space.cost import cost, half, stage_size
from nas_space.network import SegmentationNetwork

FREE = {"cat", "constant_pad_nd", "add", "detach", "empty", "alias"}  # ptflops counts none of these


class Counter(TorchDispatchMode):
    """Counts multiply-accumulates of the operations as they are executed, by ptflops' convention."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = 0
        self.extra = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        first: Tensor = out[0] if isinstance(out, tuple) else out
        if name == "convolution":
            self.conv += first.numel() * args[1][0].numel()
            self.extra += first.numel() if args[2] is not None else 0
        elif "batch_norm" in name:
            self.extra += 2 * first.numel()
        elif name in ("relu", "relu_"):
            self.extra += first.numel()
        elif "max_pool2d" in name or name in ("avg_pool2d", "_adaptive_avg_pool2d", "mean"):
            self.extra += args[0].numel()
        elif name == "replication_pad2d":  # pads what is pooled next: the copies are no input elements
            self.extra -= first.numel() - args[0].numel()
        elif name == "upsample_bilinear2d":
            self.extra += first.numel()
        elif name not in FREE:
            raise AssertionError(f"{name} is not counted")
        return out


def count(architecture: Architecture, size: tuple[int, int], classes: int, head: Head = "encoder") -> Counter:
    with torch.device("meta"):
        network = SegmentationNetwork(architecture, classes, head).eval()
        image = torch.empty(1, 3, *size)
    with Counter() as counter, torch.no_grad():
        network(image)
    return counter


def test_the_papers_baseline() -> None:
    found = cost(baseline1(SpaceConfig.paper()), (512, 1024), 19)
    assert found.params == 961_807
    assert found.macs_conv == pytest.approx(11.063e9, abs=5e5)
    assert found.macs_total == pytest.approx(11.20e9, abs=5e6)


def test_the_aggregation_block_keeps_the_published_budget() -> None:
    """The paper's final network: 1.0 M parameters and 11.0 G, its backbone 0.92 M and 8.5 G."""
    space = SpaceConfig.paper()
    without, whole = (cost(baseline1(space), (512, 1024), 19, head) for head in space.heads)
    assert 0.92e6 + whole.params - without.params == pytest.approx(1.0e6, rel=0.02)
    assert 8.5e9 + whole.macs_total - without.macs_total == pytest.approx(11.0e9, rel=0.02)
    with torch.device("meta"):
        network = SegmentationNetwork(baseline1(space), 19, "aggregation")
    assert whole.params == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("depths", "params", "giga"),
    [((7, 10), 1_209_103, 14.285), ((3, 6), 714_511, 7.842)],
    ids=("deepest", "shallowest"),
)
def test_other_networks_computed_by_hand(depths: tuple[int, int], params: int, giga: float) -> None:
    space = SpaceConfig.paper()
    stages = tuple((Layer(1, 1, width, width),) * depth for width, depth in zip(space.widths, depths, strict=True))
    found = cost(Architecture(space, stages), (512, 1024), 19)
    assert found.params == params
    assert found.macs_conv == pytest.approx(giga * 1e9, abs=5e5)


def test_the_smallest_network_of_the_paper() -> None:
    stages = ((Layer(1, 2, 32, 32),) * 3, (Layer(1, 2, 96, 96),) * 6)
    found = cost(Architecture(SpaceConfig.paper(), stages), (512, 1024), 19)
    assert found.macs_conv == pytest.approx(1.61e9, abs=5e6)
    assert found.params == pytest.approx(0.465e6, abs=5e2)


def test_dilations_cost_nothing() -> None:
    space = SpaceConfig.paper()
    assert cost(baseline1(space), (360, 480), 11) == cost(baseline2(space), (360, 480), 11)


@pytest.mark.parametrize("size", [(512, 1024), (360, 480), (45, 77)], ids=str)
def test_pooling_a_layer_saves_three_quarters_of_it(size: tuple[int, int]) -> None:
    space = SpaceConfig.paper()
    first, last = baseline1(space).stages
    pooled = Architecture(space, (first, (Layer(1, 2, 128, 128), *last[1:])))
    height, width = (-(-side // 8) for side in size)
    inner = -(-height // 2) * -(-width // 2)
    saved = cost(baseline1(space), size, 19).macs_conv - cost(pooled, size, 19).macs_conv
    assert saved == 6 * 128**2 * (height * width - inner)


@pytest.mark.parametrize("size", [(64, 96), (33, 47), (57, 32), (45, 61)], ids=str)
@pytest.mark.parametrize("head", ["encoder", "aggregation"])
@pytest.mark.parametrize("seed", range(6))
def test_every_operation_is_counted(
    seed: int, head: Head, size: tuple[int, int], tiny: Callable[..., SpaceConfig]
) -> None:
    architecture = Architecture.random(tiny(), random.Random(seed))
    found, counter = cost(architecture, size, 5, head), count(architecture, size, 5, head)
    assert found.macs_conv == counter.conv
    assert found.macs_total == counter.conv + counter.extra


@pytest.mark.parametrize(("stages", "head"), list(product((3, 4), ("fusion", "aggregation"))), ids=str)
@pytest.mark.parametrize("size", [(64, 96), (65, 131)], ids=str)
def test_every_operation_and_parameter_of_more_stages(
    stages: int, head: Any, size: tuple[int, int], deep: Callable[..., SpaceConfig]
) -> None:
    for seed in range(2):
        architecture = Architecture.random(deep(stages), random.Random(seed))
        found, counter = cost(architecture, size, 5, head), count(architecture, size, 5, head)
        assert (found.macs_conv, found.macs_total) == (counter.conv, counter.conv + counter.extra)
        with torch.device("meta"):
            network = SegmentationNetwork(architecture, 5, head)
        assert sum(p.numel() for p in network.parameters()) == found.params


@pytest.mark.parametrize("size", [(512, 1024), (360, 480)], ids=str)
def test_every_operation_of_the_papers_baseline(size: tuple[int, int]) -> None:
    architecture = baseline1(SpaceConfig.paper())
    found, counter = cost(architecture, size, 19), count(architecture, size, 19)
    assert (found.macs_conv, found.macs_total) == (counter.conv, counter.conv + counter.extra)


@pytest.mark.parametrize("seed", range(3))
def test_convolutions_as_torch_counts_them(seed: int) -> None:
    architecture = Architecture.random(SpaceConfig.paper(), random.Random(seed))
    with torch.device("meta"):
        network, image = SegmentationNetwork(architecture, 19), torch.empty(1, 3, 131, 200)
    with FlopCounterMode(display=False) as counter:
        network(image)
    assert counter.get_total_flops() == 2 * cost(architecture, (131, 200), 19).macs_conv


def test_half_rounds_up() -> None:
    assert half((45, 60), 2) == (12, 15)
    assert (stage_size((33, 64), 0), stage_size((33, 64), 1)) == ((9, 16), (5, 8))
