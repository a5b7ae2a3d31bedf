"""The building blocks: sizes, receptive fields, and pooling against torch's own."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_space.blocks import (
    AggregationBlock,
    ConvBlock,
    DownsamplerBlock,
    FactorizedConv,
    ResidualLayer,
    pad_channels,
    pool,
    upsample,
)

SIZES = [(8, 8), (7, 8), (8, 7), (7, 5), (1, 3), (1, 1)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pool_is_the_mean_over_pixels_in_bounds(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    expected = functional.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
    torch.testing.assert_close(pool(x, 2), expected, rtol=0, atol=1e-14)


def test_pool_at_one_is_the_identity() -> None:
    x = torch.randn(1, 2, 5, 5)
    assert pool(x, 1) is x


@pytest.mark.parametrize("size", SIZES[:4], ids=str)
def test_upsample_is_bilinear_on_pixel_centres(size: tuple[int, int]) -> None:
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    result = upsample(x, size)
    for row, column in product(range(size[0]), range(size[1])):
        expected = torch.zeros((), dtype=torch.float64)
        at = [min(max((i + 0.5) * 4 / side - 0.5, 0.0), 3.0) for i, side in zip((row, column), size, strict=True)]
        for r, c in product(range(4), range(4)):
            expected += x[0, 0, r, c] * max(0.0, 1 - abs(r - at[0])) * max(0.0, 1 - abs(c - at[1]))
        torch.testing.assert_close(result[0, 0, row, column], expected, rtol=0, atol=1e-12)


def test_pooling_and_upsampling_are_linear() -> None:
    x, y = torch.randn(2, 1, 2, 7, 9, dtype=torch.float64)
    first = upsample(pool(x, 2), (7, 9)) + 3 * upsample(pool(y, 2), (7, 9))
    torch.testing.assert_close(first, upsample(pool(x + 3 * y, 2), (7, 9)), rtol=0, atol=1e-12)


def test_pad_channels_appends_zeros() -> None:
    x = torch.randn(2, 3, 4, 4)
    padded = pad_channels(x, 5)
    assert torch.equal(padded[:, :3], x) and padded.shape[1] == 5 and not padded[:, 3:].any()
    assert pad_channels(x, 3) is x


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (8, 9), (33, 47)], ids=str)
def test_downsampler_halves_rounding_up(size: tuple[int, int]) -> None:
    block = DownsamplerBlock(3, 8)
    result = block(torch.randn(2, 3, *size))
    assert result.shape == (2, 8, -(-size[0] // 2), -(-size[1] // 2))
    assert (result >= 0).all()


def test_downsampler_is_convolution_beside_pooling() -> None:
    block = DownsamplerBlock(2, 5).eval()
    x = torch.randn(1, 2, 7, 9)
    parts = [
        functional.conv2d(x, block.conv.weight, block.conv.bias, stride=2, padding=1),
        functional.max_pool2d(x, 2, ceil_mode=True),
    ]
    torch.testing.assert_close(block(x), functional.relu(torch.cat(parts, 1) / (1 + 1e-3) ** 0.5))
    assert [part.shape[1] for part in parts] == [3, 2]


def touched(gradient: Tensor) -> tuple[int, int]:
    """Height and width of the box of non-zero entries of ``(1, C, H, W)``."""
    rows, columns = gradient.abs().sum((0, 1)).nonzero().unbind(1)
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1


def make_positive(module: nn.Module) -> None:
    """Weights with which nothing cancels and no ReLU closes."""
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)


@pytest.mark.parametrize("dilation", [1, 2, 4, 8, 16])
def test_receptive_field_of_an_operator(dilation: int) -> None:
    operator = FactorizedConv(3, 2, 3, dilation).eval()
    make_positive(operator)
    x = torch.rand(1, 3, 41, 41, requires_grad=True)
    operator(x)[0, :, 20, 20].sum().backward()
    assert x.grad is not None and touched(x.grad) == (2 * dilation + 1, 2 * dilation + 1)
    assert int((x.grad[0, 0] != 0).sum()) == 9


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_pooling_doubles_the_receptive_field(dilation: int) -> None:
    layer = ResidualLayer(3, dilation, 2, 3, 3).eval()
    make_positive(layer)
    x = torch.rand(1, 3, 40, 40, requires_grad=True)
    layer(x)[0, :, 20, 20].sum().backward()
    # Upsampling reads 2 pooled cells of each axis: 2r + 2 cells of 2 pixels.
    assert x.grad is not None and touched(x.grad) == (4 * dilation + 4, 4 * dilation + 4)


@pytest.mark.parametrize(("dilation", "pooling"), list(product((1, 2, 4, 8, 16), (1, 2))))
@pytest.mark.parametrize("size", [(8, 8), (9, 7), (4, 4), (5, 3)], ids=str)
def test_output_size_is_input_size(dilation: int, pooling: int, size: tuple[int, int]) -> None:
    x = torch.randn(2, 6, *size)
    assert ResidualLayer(6, dilation, pooling, 4, 2)(x).shape == x.shape


@pytest.mark.parametrize("pooling", [1, 2])
def test_a_narrow_layer_leaves_the_other_channels_alone(pooling: int) -> None:
    layer = ResidualLayer(8, 2, pooling, 4, 6).eval()
    x = torch.rand(2, 8, 9, 9)
    y = layer(x)
    assert torch.equal(y[:, 6:], x[:, 6:])
    assert all(not torch.equal(y[:, c], x[:, c]) for c in range(6))


@pytest.mark.parametrize("pooling", [1, 2])
def test_a_layer_from_its_definition(pooling: int) -> None:
    layer = ResidualLayer(4, 2, pooling, 2, 3)
    x = torch.randn(2, 4, 9, 6)
    conv = layer.conv
    y = functional.avg_pool2d(x, pooling, ceil_mode=True, count_include_pad=False)
    y = functional.relu(functional.conv2d(y, conv.conv3x1.weight, conv.conv3x1.bias, padding=(2, 0), dilation=2))
    y = functional.conv2d(y, conv.conv1x3.weight, conv.conv1x3.bias, padding=(0, 2), dilation=2)
    y = (y - y.mean((0, 2, 3), keepdim=True)) / (y.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-3).sqrt()
    y = functional.interpolate(y, size=(9, 6), mode="bilinear", align_corners=False)
    expected = functional.relu(x + torch.cat((y, torch.zeros(2, 1, 9, 6)), 1))
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_conv_block_keeps_the_size() -> None:
    for kernel in (1, 3):
        assert ConvBlock(3, 5, kernel)(torch.randn(2, 3, 7, 6)).shape == (2, 5, 7, 6)


def test_aggregation_costs_about_what_the_paper_leaves_for_it() -> None:
    block = AggregationBlock(16, (64, 128), 19)
    assert 0.08e6 < sum(p.numel() for p in block.parameters()) < 0.1e6


def test_every_resolution_reaches_the_aggregated_map() -> None:
    block = AggregationBlock(4, (8, 16), 3)
    inputs = [torch.randn(2, c, *s, requires_grad=True) for c, s in ((4, (17, 19)), (8, (9, 10)), (16, (5, 5)))]
    result = block(*inputs)
    assert result.shape == (2, 3, 9, 10)
    result.square().sum().backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in inputs)
