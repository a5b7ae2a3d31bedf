"""Exact cost of an architecture in closed form: parameters and multiply-accumulates. No torch.

An operator's cost is a polynomial in its two widths. ``expected_cost.py`` makes its table of the same polynomials.

``macs_conv`` counts convolutions only. ``macs_total`` adds what ptflops counts: a bias or ReLU 1 and a batch norm 2 for
each output element, a pooling 1 for each input element, an upsampling 1 for each output element. The "FLOPs" of the
papers are such MACs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from nas_space.architecture import Architecture
from nas_space.config import PYRAMID_BINS, Head, SpaceConfig


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-accumulates of one image: of convolutions alone, and in total as ptflops counts."""

    params: float
    macs_conv: float
    macs_total: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.params + other.params, self.macs_conv + other.macs_conv, self.macs_total + other.macs_total)


class Polynomial(NamedTuple):
    """``k11*c1*c2 + k1*c1 + k2*c2 + k0`` in the widths c1 (3x1) and c2 (1x3) of an operator."""

    k11: int
    k1: int
    k2: int
    k0: int

    def at(self, c1: int, c2: int) -> int:
        """The value for widths ``c1`` and ``c2``."""
        return self.k11 * c1 * c2 + self.k1 * c1 + self.k2 * c2 + self.k0


class OperatorCost(NamedTuple):
    """The three costs of one operator, as polynomials in its widths."""

    params: Polynomial
    macs_conv: Polynomial
    macs_total: Polynomial

    def at(self, c1: int, c2: int) -> Cost:
        """The costs for widths ``c1`` and ``c2``."""
        return Cost(*(polynomial.at(c1, c2) for polynomial in self))


def half(size: tuple[int, int], times: int = 1) -> tuple[int, int]:
    """``size`` halved ``times`` times, rounding up."""
    for _ in range(times):
        size = -(-size[0] // 2), -(-size[1] // 2)
    return size


def stage_size(size: tuple[int, int], stage: int) -> tuple[int, int]:
    """Feature size of a stage (0: 1/4, 1: 1/8, and so on) for an input of ``size`` (height, width)."""
    return half(size, 2 + stage)


def operator_cost(channels: int, pooling: int, size: tuple[int, int]) -> OperatorCost:
    """Cost of one operator, of any dilation, in a layer of ``channels`` channels on features of ``size``."""
    area = size[0] * size[1]
    small = half(size) if pooling > 1 else size
    inner = small[0] * small[1]
    resample = (area * channels, area) if pooling > 1 else (0, 0)  # pooling reads all channels, upsampling writes c2
    return OperatorCost(
        params=Polynomial(3, 3 * channels + 1, 3, 0),  # 1x3: bias and the two of its batch norm
        macs_conv=Polynomial(3 * inner, 3 * channels * inner, 0, 0),
        macs_total=Polynomial(3 * inner, (3 * channels + 2) * inner, 3 * inner + resample[1], resample[0]),
    )


def layer_cost(channels: int, size: tuple[int, int]) -> Cost:
    """Cost of a layer besides its operator: the ReLU after the residual sum."""
    return Cost(0, 0, channels * size[0] * size[1])


def fixed_cost(space: SpaceConfig, size: tuple[int, int], num_classes: int, head: Head | None = None) -> Cost:
    """Cost of what is not searched: the downsamplers and the head; absent, that of a search."""
    head_cost = HEAD_COSTS[space.head_named(head)]
    total, channels = head_cost(space, size, num_classes), (3, space.stem, *space.widths)
    for i, (before, after) in enumerate(zip(channels, channels[1:], strict=False)):
        inside, outside = half(size, i), half(size, i + 1)
        area, learned = outside[0] * outside[1], after - before
        conv = 9 * before * learned * area
        extra = (learned + 3 * after) * area + before * inside[0] * inside[1]  # bias, batch norm and ReLU, max-pool
        total += Cost(9 * before * learned + learned + 2 * after, conv, conv + extra)
    return total


def encoder_head_cost(space: SpaceConfig, size: tuple[int, int], num_classes: int) -> Cost:
    """Cost of the 1x1 classifier at 1/8."""
    area = half(size, 3)[0] * half(size, 3)[1]
    conv = space.widths[1] * num_classes * area
    return Cost(space.widths[1] * num_classes + num_classes, conv, conv + num_classes * area)


def aggregation_cost(space: SpaceConfig, size: tuple[int, int], num_classes: int) -> Cost:
    """Cost of the aggregation block (``blocks.AggregationBlock``), whose logits lie at 1/4."""
    (quarter, *_, deepest), branch = space.widths, space.widths[-1] // 8
    area_2, *areas = (_area(size, i) for i in range(1, len(space.widths) + 2))  # 1/2, then a stage each
    bins, levels = sum(side * side for side in PYRAMID_BINS), len(PYRAMID_BINS)
    detail, classify = 9 * (space.stem + quarter) * quarter, 9 * 2 * quarter * num_classes
    params = detail + levels * deepest * branch + classify + num_classes + 2 * quarter + levels * 2 * branch
    conv = detail * areas[0] + deepest * branch * bins + classify * areas[0]
    pooled = space.stem * area_2 + levels * deepest * areas[-1]
    normed = 3 * (quarter * areas[0] + branch * bins)  # batch norm and ReLU
    upsampled = levels * branch * areas[-1]
    inputs = [*space.widths[1:-1], deepest + levels * branch]
    for stage, (given, kept) in enumerate(zip(inputs, space.widths, strict=False), start=1):  # fuse and joins
        params += given * kept + 2 * kept
        conv += given * kept * areas[stage]
        normed += 3 * kept * areas[stage]
        upsampled += kept * areas[stage - 1]
    return Cost(params, conv, conv + pooled + normed + upsampled + num_classes * areas[0])


def fusion_cost(space: SpaceConfig, size: tuple[int, int], num_classes: int) -> Cost:
    """Cost of the fusion head (``blocks.FusionHead``), whose logits lie at 1/8."""
    width, areas = space.widths[1], [_area(size, i) for i in range(2, len(space.widths) + 2)]
    at = [areas[1], *areas[1:]]  # where each lateral convolution works: the features at 1/4 are pooled first
    params = sum(space.widths) * width + 2 * width + width * num_classes + num_classes
    conv = sum(channels * width * area for channels, area in zip(space.widths, at, strict=True))
    conv += width * num_classes * areas[1]
    pooled, upsampled = space.widths[0] * areas[0], width * sum(areas[1:-1])
    return Cost(params, conv, conv + pooled + upsampled + (3 * width + num_classes) * areas[1])


def _area(size: tuple[int, int], times: int) -> int:
    """Pixels of ``size`` halved ``times`` times."""
    height, width = half(size, times)
    return height * width


HEAD_COSTS: dict[Head, Callable[[SpaceConfig, tuple[int, int], int], Cost]] = {
    "encoder": encoder_head_cost,
    "aggregation": aggregation_cost,
    "fusion": fusion_cost,
}


def cost(architecture: Architecture, size: tuple[int, int], num_classes: int, head: Head | None = None) -> Cost:
    """Exact cost of ``architecture`` for one image of ``size`` (height, width), with the head of a search if absent."""
    space, total = architecture.space, fixed_cost(architecture.space, size, num_classes, head)
    for stage, layers in enumerate(architecture.stages):
        channels, features = space.widths[stage], stage_size(size, stage)
        for layer in layers:
            operator = operator_cost(channels, layer.pooling, features).at(layer.width_3x1, layer.width_1x3)
            total += layer_cost(channels, features) + operator
    return total
