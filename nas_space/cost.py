"""Exact cost of an architecture in closed form: parameters and multiply-accumulates. No torch.

An operator's cost is a polynomial in its two widths. ``expected_cost.py`` makes its table of the same polynomials.

``macs_conv`` counts convolutions only. ``macs_total`` adds what ptflops counts: a bias or ReLU 1 and a batch norm 2 for
each output element, a pooling 1 for each input element, an upsampling 1 for each output element. The "FLOPs" of the
papers are such MACs.
"""

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
    """Feature size of a stage (0: 1/4, 1: 1/8) for an input of ``size`` (height, width)."""
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


def fixed_cost(space: SpaceConfig, size: tuple[int, int], num_classes: int, head: Head = "encoder") -> Cost:
    """Cost of what is not searched: three downsamplers and the head."""
    head_cost = encoder_head_cost if head == "encoder" else aggregation_cost
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
    (quarter, eighth), branch = space.widths, space.widths[1] // 8
    area_2, area_4, area_8 = (height * width for height, width in (half(size, i) for i in (1, 2, 3)))
    bins, levels = sum(side * side for side in PYRAMID_BINS), len(PYRAMID_BINS)
    detail, fuse = 9 * (space.stem + quarter) * quarter, (eighth + levels * branch) * quarter
    classify = 9 * 2 * quarter * num_classes
    norms = 2 * quarter + levels * 2 * branch + 2 * quarter
    params = detail + levels * eighth * branch + fuse + classify + num_classes + norms
    conv = detail * area_4 + eighth * branch * bins + fuse * area_8 + classify * area_4
    pooled = space.stem * area_2 + levels * eighth * area_8
    normed = 3 * (quarter * area_4 + branch * bins + quarter * area_8)  # batch norm and ReLU
    upsampled = levels * branch * area_8 + quarter * area_4
    return Cost(params, conv, conv + pooled + normed + upsampled + num_classes * area_4)


def cost(architecture: Architecture, size: tuple[int, int], num_classes: int, head: Head = "encoder") -> Cost:
    """Exact cost of ``architecture`` with one of its heads, for one image of ``size`` (height, width)."""
    space, total = architecture.space, fixed_cost(architecture.space, size, num_classes, head)
    for stage, layers in enumerate(architecture.stages):
        channels, features = space.widths[stage], stage_size(size, stage)
        for layer in layers:
            operator = operator_cost(channels, layer.pooling, features).at(layer.width_3x1, layer.width_1x3)
            total += layer_cost(channels, features) + operator
    return total
