"""Hand-made networks at any budget: the largest scaled baseline within a bound. No torch.

The rule. One factor scales everything. Channels of the stem and of each stage become the factor times those of the
space, rounded to the nearest multiple of 4 (halves up), at least 4, and at least 4 more than those before. Each stage's
depth becomes the factor times the baseline's, rounded (halves up), at least 1. Both convolutions of a layer have the
full width; ``baseline2`` cycles its dilations over the stage at 1/8. Every cost grows with the factor. So the sizes
stand in one row, and the largest within the bound is taken.

The scaled network is one of a space of its own, with nothing to search: its widths and depth may exceed the candidates
of the space that it came from.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from nas_space.architecture import Architecture, baseline1, baseline2
from nas_space.config import LARGEST, SpaceConfig
from nas_space.errors import InputError

REFERENCES = {"baseline1": baseline1, "baseline2": baseline2}
STEP = 4  # channels
LARGEST_FACTOR = 16
MOST_MEASURED = 12  # measurements, where time is bounded
SUFFIXES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9}
EXAMPLES = "baseline2@20ms, baseline2@2.6G (MACs), baseline2@0.5M (parameters), baseline2@20Mmacs or baseline2@RUN"
UNITS = {"ms": "ms", "macs_total": "MACs", "params": "parameters"}
NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(?:(ms)|([KMG]?)(macs|params)?)")

CostOf = Callable[[Architecture], float]


@dataclass(frozen=True)
class ScaledName:
    """What a name such as ``baseline2@20ms`` asks for.

    Args:
        name: as it was given.
        reference: ``baseline1`` or ``baseline2``.
        kind: what is bounded: ``ms``, ``macs_total`` or ``params``.
        limit: its largest value; infinite where it is the time of ``like``, which must be measured first.
        like: name of the network that is as fast as the wanted one; empty where the bound is a number.
    """

    name: str
    reference: str
    kind: str
    limit: float
    like: str = ""


class Size(NamedTuple):
    """Channels of the stem, and of each stage its channels and its depth."""

    stem: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]


def parse_scaled(name: str) -> ScaledName | None:
    """Read a name with a bound; None for any other name, such as that of a file.

    ``ms`` bounds milliseconds, ``G`` multiply-accumulates, ``M`` and ``K`` parameters; ``macs`` or ``params`` behind
    the number says it in words. What does not begin as a number is another network, whose time is the bound.

    Raises:
        InputError: an unknown baseline, or a bound that is none.
    """
    match = re.fullmatch(r"(baseline\w*)@(.*)", name)
    if match is None:
        return None
    reference, bound = match.groups()
    if reference not in REFERENCES:
        raise InputError(f"{name}: unknown {reference}; choose from {', '.join(REFERENCES)}")
    if re.match(r"[-+]?\.?\d|$", bound) is None:
        return ScaledName(name, reference, "ms", float("inf"), bound)
    number = NUMBER.fullmatch(bound)
    if number is None or not (number[2] or number[3] or number[4]):
        folder = f"; a file or folder of this name is ./{bound}" if bound else ""
        raise InputError(f"{name}: {bound or 'nothing'} is no bound; give one such as {EXAMPLES}{folder}")
    kind = "ms" if number[2] else {"macs": "macs_total", "params": "params", None: ""}[number[4]]
    kind = kind or ("macs_total" if number[3] == "G" else "params")
    limit = float(number[1]) * SUFFIXES[number[3] or ""]
    if not 0.0 < limit < float("inf"):
        raise InputError(f"{name}: the bound must be above 0; give one such as {EXAMPLES}")
    return ScaledName(name, reference, kind, limit)


def scale(space: SpaceConfig, factor: Fraction) -> Size:
    """The size of the space's baselines, scaled by the rule above."""
    channels: list[int] = []
    for value in (space.stem, *space.widths):
        least = channels[-1] + STEP if channels else STEP
        channels.append(max(STEP * _rounded(factor * value / STEP), least))
    depths = tuple(max(_rounded(factor * depth), 1) for depth in space.baseline_depths)
    return Size(channels[0], tuple(channels[1:]), depths)


@lru_cache(maxsize=8)
def sizes(space: SpaceConfig) -> tuple[Size, ...]:
    """All sizes that the rule gives, each once, from the smallest to ``LARGEST_FACTOR`` times the baseline."""
    largest = min(Fraction(LARGEST, max(space.stem, *space.widths)), Fraction(LARGEST_FACTOR))
    factors = {Fraction(0)}
    steps = [Fraction(STEP, value) for value in (space.stem, *space.widths)]
    steps += [Fraction(1, depth) for depth in space.baseline_depths]
    for step in steps:  # a size changes where a quotient ends in a half
        factors |= {step * Fraction(2 * k + 1, 2) for k in range(int(largest / step) + 1)}
    rows = [scale(space, factor) for factor in sorted(factors) if factor <= largest]
    return tuple(size for size, before in zip(rows, [None, *rows], strict=False) if size != before)


def build(reference: str, space: SpaceConfig, size: Size) -> Architecture:
    """``baseline1`` or ``baseline2`` of a size; dilations are those of ``space``."""
    depths = tuple((depth,) for depth in size.depths)
    own = replace(space, stem=size.stem, widths=size.widths, depths=depths, span=0, step=STEP, search=())
    return REFERENCES[reference](own)


def largest_within(name: ScaledName, space: SpaceConfig, cost_of: CostOf) -> Architecture:
    """The largest network of the rule within the bound, by a cost that is counted.

    Args:
        name: what is asked for.
        space: whose baselines are scaled.
        cost_of: the bounded cost of a network; it grows with the size.

    Raises:
        InputError: the bound is below the smallest network.
    """
    rows = sizes(space)
    position = bisect_right(rows, name.limit, key=lambda size: cost_of(build(name.reference, space, size)))
    if position == 0:
        raise _too_small(name, cost_of(build(name.reference, space, rows[0])))
    return build(name.reference, space, rows[position - 1])


def largest_measured(
    name: ScaledName, space: SpaceConfig, measure: CostOf, guide: CostOf
) -> tuple[Architecture, float]:
    """The largest network of the rule within the bound, by a cost that is measured, which is slow and not exact.

    It begins with the baseline itself. Each next size is where the measured cost would meet the bound if it grew as the
    guide does, inside of what is open still. It ends where the next larger size exceeds the bound.

    Args:
        name: what is asked for.
        space: whose baselines are scaled.
        measure: the bounded cost of a network.
        guide: a counted cost that grows with it, such as multiply-accumulates.

    Returns:
        The network, and what was measured of it: never more than the bound.

    Raises:
        InputError: the bound is below the smallest network.
    """
    rows = sizes(space)

    def guided(size: Size) -> float:
        return guide(build(name.reference, space, size))

    fits, exceeds = -1, len(rows)
    measured: dict[int, float] = {}
    position = rows.index(scale(space, Fraction(1)))
    while exceeds - fits > 1 and (fits < 0 or len(measured) < MOST_MEASURED):
        value = measured[position] = measure(build(name.reference, space, rows[position]))
        fits, exceeds = (position, exceeds) if value <= name.limit else (fits, position)
        wanted = guided(rows[position]) * name.limit / max(value, 1e-9)
        position = min(max(bisect_right(rows, wanted, key=guided) - 1, fits + 1), exceeds - 1)
    if fits < 0:
        raise _too_small(name, measured[0])
    return build(name.reference, space, rows[fits]), measured[fits]


def _too_small(name: ScaledName, least: float) -> InputError:
    unit = UNITS[name.kind]
    return InputError(
        f"{name.name}: below the smallest {name.reference}, which has {least:.6g} {unit}; raise the bound"
    )


def _rounded(value: Fraction) -> int:
    """The nearest whole number, halves up."""
    return int(value + Fraction(1, 2))
