"""What is lowered computes the same as the blocks it replaces."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from nas_space.blocks import DownsamplerBlock, ResidualLayer
from nas_space.denormals import drop_denormals
from nas_space.lowering import LOWERINGS, LoweredPooling, Lowering, PairPool, lower
from nas_space.network import SegmentationNetwork

Networks = Callable[..., SegmentationNetwork]
SIZES = [(64, 96), (67, 101), (35, 64)]


def assert_same(lowered: nn.Module, module: nn.Module, image: torch.Tensor) -> None:
    with torch.inference_mode():
        torch.testing.assert_close(lowered(image), module(image), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("lowering", LOWERINGS)
def test_every_layer(lowering: Lowering) -> None:
    for dilation, pooling, widths in product((1, 4), (1, 2), ((8, 8), (4, 8), (5, 3))):
        layer = ResidualLayer(8, dilation, pooling, *widths).eval()
        for size in ((12, 16), (13, 17)):
            assert_same(
                lower(layer, lowering), layer, torch.rand(1, 8, *size)
            )  # what comes out of a ReLU is not below zero


@pytest.mark.parametrize("head", ["encoder", "aggregation"])
@pytest.mark.parametrize("lowering", LOWERINGS)
def test_whole_networks(lowering: Lowering, head: str, network: Networks) -> None:
    for seed, size in enumerate(SIZES):
        original = network(seed, head)
        state = {key: value.clone() for key, value in original.state_dict().items()}
        lowered = lower(original, lowering, pairs=seed > 0)
        assert_same(lowered, original, torch.randn(2, 3, *size))
        assert sum(isinstance(part, PairPool) for part in lowered.modules()) == (seed > 0)  # of the image alone
        assert not any(isinstance(part, nn.BatchNorm2d) for part in lowered.modules())
        assert all(torch.equal(value, state[key]) for key, value in original.state_dict().items())


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize("head", ["encoder", "aggregation"])
def test_no_weight_is_so_small_that_processors_are_slow(lowering: Lowering, head: str, network: Networks) -> None:
    """Of some weights of each tensor nothing is left but a denormal, as after a long training with weight decay."""
    original = network(0, head)
    with torch.no_grad():
        for number, weight in enumerate(original.parameters()):
            weight.view(-1)[::3] = (1e-39, -1e-42, 1e-33)[number % 3]
    lowered, image = lower(original, lowering), torch.randn(1, 3, 64, 96)
    smallest = [float(weight[weight != 0].abs().min()) for weight in lowered.parameters() if bool((weight != 0).any())]
    assert smallest and min(smallest) >= 1e-30
    assert torch.equal(lowered(image), lower(drop_denormals(original), lowering)(image))
    assert_same(lowered, original, image)


def test_zeros_make_every_layer_full(network: Networks) -> None:
    widths = {lowering: [x.conv1x3.out_channels for x in lower(network(1), lowering).stage2] for lowering in LOWERINGS}  # type: ignore[union-attr]
    assert set(widths["zeros"]) == {12} and widths["pad"] == widths["concat"] != widths["zeros"]


def test_blocks_within_other_modules_and_other_modules() -> None:
    module = nn.Sequential(nn.Sequential(DownsamplerBlock(3, 8)), nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)).eval()
    lowered: Any = lower(module, "pad")
    assert isinstance(lowered[2], nn.BatchNorm2d) and not isinstance(lowered[0][0], DownsamplerBlock)
    assert_same(lowered, module, torch.randn(1, 3, 9, 12))


@pytest.mark.parametrize("size", [(1, 1), (6, 12), (7, 11), (5, 32)])
@pytest.mark.parametrize("bins", [1, 2, 3, 6])
def test_pooling_is_adaptive_pooling(bins: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(LoweredPooling(bins)(x), functional.adaptive_avg_pool2d(x, bins))


@pytest.mark.parametrize("size", [(1, 1), (6, 12), (7, 11), (5, 32)])
def test_pooling_by_pairs_is_max_pooling(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    assert torch.equal(PairPool()(x), functional.max_pool2d(x, 2, ceil_mode=True))


@pytest.mark.filterwarnings("ignore:.torch.jit.trace:FutureWarning")
def test_no_device_is_kept_in_traces(network: Networks) -> None:
    """What is traced on the processor runs wherever its weights are moved; here to ``meta``: shapes alone."""
    lowered = lower(network(0, "aggregation"), "concat")
    image = torch.randn(1, 3, 35, 64)
    assert "aten::arange" not in str(torch.jit.trace(lowered, image).inlined_graph)
    moved = torch.export.export(lowered, (image,)).module().to("meta")
    assert moved(image.to("meta")).shape == lowered(image).shape
