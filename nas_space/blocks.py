"""The building blocks: downsampler, factorised convolution, pooling and upsampling, residual layer, heads.

Written from the papers: ERFNet (Romera et al., IEEE T-ITS 2018) for the downsampler and the factorised pair, SSR paper,
section 3 for the pooled operator and partial widths, PSPNet (https://arxiv.org/abs/1612.01105) for pyramid pooling.
"""

from collections.abc import Sequence

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


def size_of(x: Tensor) -> tuple[int, int]:
    """Height and width of ``(N, C, H, W)``."""
    return x.shape[-2], x.shape[-1]


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
    """Joins the features of all stages to a segmentation map at 1/4 (SSR paper, section 4.1; widths chosen here).

    A 3x3 convolution joins the pooled 1/2 features with those at 1/4. The deepest features pass a light pyramid pooling
    module (``PYRAMID_BINS``). Their context goes up to 1/4, stage by stage: it is brought to a stage's size and width,
    added to its features, and passes a 1x1 convolution. A 3x3 classifier joins both. With the paper's two stages there
    is no stage between, and about 0.09 M parameters.

    Shape:
        half ``(N, stem, H/2, W/2)``, then the stages: ``(N, w1, H/4, W/4)``, ``(N, w2, H/8, W/8)``, and so on
        -> ``(N, classes, H/4, W/4)``.
    """

    def __init__(self, stem: int, widths: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        quarter, deepest = widths[0], widths[-1]
        branch = deepest // 8
        self.detail = ConvBlock(stem + quarter, quarter, 3)
        self.pyramid = nn.ModuleList(ConvBlock(deepest, branch, 1) for _ in PYRAMID_BINS)
        self.fuse = ConvBlock(deepest + branch * len(PYRAMID_BINS), widths[-2], 1)
        # For the stages between the deepest and 1/4, from the deepest on.
        self.joins = nn.ModuleList(ConvBlock(widths[i], widths[i - 1], 1) for i in range(len(widths) - 2, 0, -1))
        self.classifier = nn.Conv2d(2 * quarter, num_classes, 3, padding=1)

    def forward(self, half: Tensor, quarter: Tensor, *deeper: Tensor) -> Tensor:
        *between, deepest = deeper
        detail = self.detail(torch.cat((pool(half, 2), quarter), 1))
        pooled = (functional.adaptive_avg_pool2d(deepest, bins) for bins in PYRAMID_BINS)
        levels = [upsample(block(x), size_of(deepest)) for block, x in zip(self.pyramid, pooled, strict=True)]
        context = self.fuse(torch.cat((deepest, *levels), 1))
        for join, features in zip(self.joins, reversed(between), strict=True):
            context = join(features + upsample(context, size_of(features)))
        return self.classifier(torch.cat((detail, upsample(context, size_of(quarter))), 1))


class FusionHead(nn.Module):
    """Joins the features of more than two stages to a segmentation map at 1/8: the head of a search.

    1x1 convolutions bring the stages to one width, that of the stage at 1/8. From the deepest on, each sum is brought
    to the size of the next stage and added to it; the features at 1/4 are pooled. Batch norm, ReLU, 1x1 classifier.

    Shape:
        the stages, ``(N, w1, H/4, W/4)``, ``(N, w2, H/8, W/8)``, ``(N, w3, H/16, W/16)``, ...
        -> ``(N, classes, H/8, W/8)``.
    """

    def __init__(self, widths: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        width = widths[1]
        self.laterals = nn.ModuleList(nn.Conv2d(channels, width, 1, bias=False) for channels in widths)
        self.bn = nn.BatchNorm2d(width, eps=BATCH_NORM_EPS)
        self.classifier = nn.Conv2d(width, num_classes, 1)

    def forward(self, quarter: Tensor, *deeper: Tensor) -> Tensor:
        total = fuse_lateral(self.laterals, pool(quarter, 2), deeper)
        return self.classifier(functional.relu(self.bn(total)))


def fuse_lateral(laterals: nn.ModuleList, eighth: Tensor, deeper: Sequence[Tensor]) -> Tensor:
    """The sum of the lateral convolutions of all stages, from the deepest on, at 1/8.

    Args:
        laterals: one convolution for each stage.
        eighth: the features at 1/4, pooled.
        deeper: those of the other stages, from 1/8 on.
    """
    first, *others = laterals
    total: Tensor | None = None
    for lateral, features in zip(reversed(others), reversed(deeper), strict=True):
        term = lateral(features)
        total = term if total is None else term + upsample(total, size_of(term))
    assert total is not None
    return total + first(eighth)
