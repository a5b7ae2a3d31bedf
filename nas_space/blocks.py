"""The building blocks: downsampler, factorised convolution, pooling and upsampling, residual layer, aggregation head.

Written from the papers: ERFNet (Romera et al., IEEE T-ITS 2018) for the downsampler and the factorised pair, SSR paper,
section 3 for the pooled operator and partial widths, PSPNet (https://arxiv.org/abs/1612.01105) for pyramid pooling.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_space.config import PYRAMID_BINS

BATCH_NORM_EPS = 1e-3  # ERFNet's


class DownsamplerBlock(nn.Module):
    """Halve the resolution: a strided 3x3 convolution beside a 2x2 max-pool, concatenated, batch norm, ReLU.

    Shape:
        ``(N, in_channels, H, W)`` -> ``(N, out_channels, ceil(H/2), ceil(W/2))``.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.bn = nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(torch.cat((self.conv(x), self.pool(x)), 1)))


class FactorizedConv(nn.Module):
    """3x1 convolution, ReLU, 1x3 convolution, batch norm; both dilated along their long axis (simplified NB-1D).

    Shape:
        ``(N, channels, H, W)`` -> ``(N, width_1x3, H, W)``.
    """

    def __init__(self, channels: int, width_3x1: int, width_1x3: int, dilation: int) -> None:
        super().__init__()
        self.conv3x1 = nn.Conv2d(channels, width_3x1, (3, 1), padding=(dilation, 0), dilation=(dilation, 1))
        self.conv1x3 = nn.Conv2d(width_3x1, width_1x3, (1, 3), padding=(0, dilation), dilation=(1, dilation))
        self.bn = nn.BatchNorm2d(width_1x3, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv1x3(functional.relu(self.conv3x1(x))))


def pool(x: Tensor, pooling: int) -> Tensor:
    """Average pooling over the pixels that exist; identity for ``pooling`` 1.

    The last row or column of an odd side is repeated. This gives the same mean, and unlike ``count_include_pad=False``
    it exports to every runtime.

    Shape:
        ``(N, C, H, W)`` -> ``(N, C, ceil(H/2), ceil(W/2))``.
    """
    if pooling == 1:
        return x
    bottom, right = -x.shape[-2] % pooling, -x.shape[-1] % pooling
    if bottom or right:
        x = functional.pad(x, (0, right, 0, bottom), mode="replicate")
    return functional.avg_pool2d(x, pooling)


def upsample(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation to ``size`` (height, width), ``align_corners=False``."""
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def pad_channels(x: Tensor, channels: int) -> Tensor:
    """Append zero channels: ``(N, c, H, W)`` -> ``(N, channels, H, W)``."""
    return x if x.shape[1] == channels else functional.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1]))


class ResidualLayer(nn.Module):
    """A searched layer after its decision, ``ReLU(x + pad(up(conv(pool(x)))))``, ``(N, channels, H, W)`` -> same."""

    def __init__(self, channels: int, dilation: int, pooling: int, width_3x1: int, width_1x3: int) -> None:
        super().__init__()
        self.pooling = pooling
        self.conv = FactorizedConv(channels, width_3x1, width_1x3, dilation)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(pool(x, self.pooling))
        if self.pooling > 1:
            y = upsample(y, (x.shape[-2], x.shape[-1]))
        return functional.relu(x + pad_channels(y, x.shape[1]))


class ConvBlock(nn.Sequential):
    """Convolution without bias, batch norm, ReLU; output size = input size."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS),
            nn.ReLU(),
        )


class AggregationBlock(nn.Module):
    """Joins the features at 1/2, 1/4 and 1/8 to a segmentation map at 1/4 (SSR paper, section 4.1; widths chosen here).

    A 3x3 convolution joins the pooled 1/2 features with those at 1/4. The 1/8 features pass a light pyramid pooling
    module (``PYRAMID_BINS``). A 3x3 classifier joins both. About 0.09 M parameters in the paper's space.

    Shape:
        half ``(N, stem, H/2, W/2)``, quarter ``(N, w1, H/4, W/4)``, eighth ``(N, w2, H/8, W/8)``
        -> ``(N, classes, H/4, W/4)``.
    """

    def __init__(self, stem: int, widths: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        quarter, eighth = widths
        branch = eighth // 8
        self.detail = ConvBlock(stem + quarter, quarter, 3)
        self.pyramid = nn.ModuleList(ConvBlock(eighth, branch, 1) for _ in PYRAMID_BINS)
        self.fuse = ConvBlock(eighth + branch * len(PYRAMID_BINS), quarter, 1)
        self.classifier = nn.Conv2d(2 * quarter, num_classes, 3, padding=1)

    def forward(self, half: Tensor, quarter: Tensor, eighth: Tensor) -> Tensor:
        size_4, size_8 = (quarter.shape[-2], quarter.shape[-1]), (eighth.shape[-2], eighth.shape[-1])
        detail = self.detail(torch.cat((pool(half, 2), quarter), 1))
        pooled = (functional.adaptive_avg_pool2d(eighth, bins) for bins in PYRAMID_BINS)
        levels = [upsample(block(x), size_8) for block, x in zip(self.pyramid, pooled, strict=True)]
        context = upsample(self.fuse(torch.cat((eighth, *levels), 1)), size_4)
        return self.classifier(torch.cat((detail, context), 1))
