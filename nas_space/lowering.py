"""A network as engines run it best: batch norms folded, and operations that every exporter and engine knows.

The residual of a layer whose 1x3 convolution has fewer channels than the layer adds into the first channels only. Three
forms compute the same; which is fastest depends on the engine (``experiments/results/lowering.md``):

- ``pad``: append zero channels, then add;
- ``concat``: add into a slice, then append the other channels, which are not below zero and need no second ReLU;
- ``zeros``: give the convolution filters of zeros up to full width, so that engines fuse convolution, sum and ReLU.
"""

import copy
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nas_space.blocks import (
    AggregationBlock,
    ConvBlock,
    DownsamplerBlock,
    FusionHead,
    ResidualLayer,
    fuse_lateral,
    size_of,
    upsample,
)
from nas_space.config import PYRAMID_BINS
from nas_space.denormals import drop_denormals

Lowering = Literal["pad", "concat", "zeros"]
LOWERINGS: tuple[Lowering, ...] = get_args(Lowering)
IMAGE_CHANNELS = 3


@torch.no_grad()
def lower(network: nn.Module, lowering: Lowering, pairs: bool = False) -> nn.Module:
    """A copy of ``network`` that computes the same: in ``eval`` mode, on the processor, without gradients.

    It has no denormal weights, with which processors are slow.

    Args:
        network: any module; the blocks of this project are replaced, at any depth, other modules are kept.
        lowering: the form of partial residuals.
        pairs: pool the image itself by ``PairPool``; for images of one size.
    """
    own = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    return drop_denormals(_replace_blocks(own, lowering, pairs))


def _replace_blocks(module: nn.Module, lowering: Lowering, pairs: bool) -> nn.Module:
    if isinstance(module, ResidualLayer):
        return LoweredLayer(module, lowering)
    if isinstance(module, DownsamplerBlock):
        return LoweredDownsampler(module, pairs and module.conv.in_channels == IMAGE_CHANNELS)
    if isinstance(module, AggregationBlock):
        return LoweredAggregation(module)
    if isinstance(module, FusionHead):
        return LoweredFusion(module)
    for name, child in module.named_children():
        setattr(module, name, _replace_blocks(child, lowering, pairs))
    return module


class LoweredLayer(nn.Module):
    """A ``ResidualLayer`` of two convolutions; same arguments and result."""

    def __init__(self, layer: ResidualLayer, lowering: Lowering) -> None:
        super().__init__()
        self.pooling, self.lowering = layer.pooling, lowering
        self.conv3x1 = layer.conv.conv3x1
        self.conv1x3 = _fold(layer.conv.conv1x3, layer.conv.bn)
        if lowering == "zeros":
            self.conv1x3 = _widen(self.conv1x3, self.conv3x1.in_channels)
        self.missing = self.conv3x1.in_channels - self.conv1x3.out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1x3(functional.relu(self.conv3x1(_average_pool(x, self.pooling))))
        if self.pooling > 1:
            y = upsample(y, (x.shape[-2], x.shape[-1]))
        if self.missing and self.lowering == "concat":
            width = self.conv1x3.out_channels
            return torch.cat((functional.relu(x[:, :width] + y), x[:, width:]), 1)
        return functional.relu(x + (functional.pad(y, (0, 0, 0, 0, 0, self.missing)) if self.missing else y))


class LoweredDownsampler(nn.Module):
    """A ``DownsamplerBlock``; its batch norm is in the convolution, and in one of 1x1 behind the pooling.

    Each channel has a convolution of its own there: it scales and shifts. Engines keep their own layout of features
    through convolutions, and leave it for a product with a constant. ONNX Runtime then converts the features of every
    layer behind, and adds and rectifies apart from the convolution. For the same reason each branch has its own ReLU.

    Args:
        block: the original.
        pairs: pool by ``PairPool``.
    """

    def __init__(self, block: DownsamplerBlock, pairs: bool = False) -> None:
        super().__init__()
        bn, learned = block.bn, block.conv.out_channels
        assert bn.running_mean is not None and bn.running_var is not None
        scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        shift = bn.bias - bn.running_mean * scale
        self.conv = copy.deepcopy(block.conv)
        assert self.conv.bias is not None
        self.conv.weight.mul_(scale[:learned, None, None, None])
        self.conv.bias.mul_(scale[:learned]).add_(shift[:learned])
        self.pool = PairPool() if pairs else block.pool
        kept = len(scale) - learned
        self.scale = nn.utils.skip_init(nn.Conv2d, kept, kept, 1, groups=kept).requires_grad_(False)
        assert self.scale.bias is not None
        self.scale.weight.copy_(scale[learned:, None, None, None])
        self.scale.bias.copy_(shift[learned:])

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((functional.relu(self.conv(x)), functional.relu(self.scale(self.pool(x)))), 1)


class PairPool(nn.Module):
    """Max-pooling of 2x2, of one size: the larger of two rows, then of two columns. An odd side repeats its last one.

    OpenVINO converts an image of three channels into its layout of features for a max-pool, and none for this.

    Shape:
        ``(N, C, H, W)`` -> ``(N, C, ceil(H/2), ceil(W/2))``.
    """

    def forward(self, x: Tensor) -> Tensor:
        bottom, right = (int(size) % 2 for size in x.shape[-2:])
        if bottom or right:
            x = functional.pad(x, (0, right, 0, bottom), mode="replicate")
        for side in (-2, -1):
            x = x.unflatten(side, (int(x.shape[side]) // 2, 2))
            x = x.amax(side)
        return x


class LoweredAggregation(nn.Module):
    """An ``AggregationBlock``; same arguments and result."""

    def __init__(self, block: AggregationBlock) -> None:
        super().__init__()
        self.detail, self.fuse, self.classifier = _fold_block(block.detail), _fold_block(block.fuse), block.classifier
        levels = zip(PYRAMID_BINS, block.pyramid, strict=True)
        self.pyramid = nn.ModuleList(nn.Sequential(LoweredPooling(bins), _fold_block(conv)) for bins, conv in levels)
        self.joins = nn.ModuleList(map(_fold_block, block.joins))

    def forward(self, half: Tensor, quarter: Tensor, *deeper: Tensor) -> Tensor:
        *between, deepest = deeper
        detail = self.detail(torch.cat((_average_pool(half, 2), quarter), 1))
        levels = [upsample(level(deepest), size_of(deepest)) for level in self.pyramid]
        context = self.fuse(torch.cat((deepest, *levels), 1))
        for join, features in zip(self.joins, reversed(between), strict=True):
            context = join(features + upsample(context, size_of(features)))
        return self.classifier(torch.cat((detail, upsample(context, size_of(quarter))), 1))


class LoweredFusion(nn.Module):
    """A ``FusionHead``; same arguments and result.

    The scale of the batch norm goes into all lateral convolutions, its shift into one of them.
    """

    def __init__(self, head: FusionHead) -> None:
        super().__init__()
        bn, self.classifier = head.bn, head.classifier
        assert bn.running_mean is not None and bn.running_var is not None
        scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        self.laterals = head.laterals
        for lateral in self.laterals:
            assert isinstance(lateral, nn.Conv2d)
            lateral.weight = nn.Parameter(lateral.weight * scale[:, None, None, None], requires_grad=False)
        first = self.laterals[0]
        assert isinstance(first, nn.Conv2d)
        first.bias = nn.Parameter(bn.bias - bn.running_mean * scale, requires_grad=False)

    def forward(self, quarter: Tensor, *deeper: Tensor) -> Tensor:
        total = fuse_lateral(self.laterals, _average_pool(quarter, 2), deeper)
        return self.classifier(functional.relu(total))


class LoweredPooling(nn.Module):
    """Adaptive average pooling: ``(N, C, H, W)`` -> ``(N, C, bins, bins)``.

    In an ONNX export two matrix products: the exporter knows the pooling only where the bins divide the size. Elsewhere
    the pooling itself, since the products' indices would be kept on the device of the export.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x: Tensor) -> Tensor:
        if self.bins == 1 or not torch.onnx.is_in_onnx_export():
            return functional.adaptive_avg_pool2d(x, self.bins)
        return self._means(x.shape[-2]) @ x @ self._means(x.shape[-1]).T

    def _means(self, size: int) -> Tensor:
        """``(bins, size)``: row b averages from ``floor(b * size / bins)`` to ``ceil((b + 1) * size / bins) - 1``."""
        index, row = torch.arange(size), torch.arange(self.bins)[:, None]
        start = torch.div(row * size, self.bins, rounding_mode="trunc")
        end = torch.div((row + 1) * size + self.bins - 1, self.bins, rounding_mode="trunc")
        inside = ((index >= start) & (index < end)).float()
        return inside / inside.sum(1, keepdim=True)


def _average_pool(x: Tensor, pooling: int) -> Tensor:
    """The mean over in-bounds pixels in one operation, at any size: right at odd sides in every engine used here."""
    return x if pooling == 1 else functional.avg_pool2d(x, pooling, ceil_mode=True, count_include_pad=False)


def _fold_block(block: nn.Module) -> nn.Sequential:
    assert isinstance(block, ConvBlock)
    conv, bn, relu = block
    return nn.Sequential(_fold(conv, bn), relu)


def _fold(conv: nn.Module, bn: nn.Module) -> nn.Conv2d:
    assert isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, bn).requires_grad_(False)


def _widen(conv: nn.Conv2d, channels: int) -> nn.Conv2d:
    """``conv`` with filters of zeros up to ``channels``."""
    assert conv.bias is not None
    missing = channels - conv.out_channels
    conv.weight = nn.Parameter(functional.pad(conv.weight, (0, 0, 0, 0, 0, 0, 0, missing)), requires_grad=False)
    conv.bias = nn.Parameter(functional.pad(conv.bias, (0, missing)), requires_grad=False)
    conv.out_channels = channels
    return conv
