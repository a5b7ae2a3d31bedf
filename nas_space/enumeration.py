"""All networks of a space, one by one, and how many they are."""

from collections.abc import Iterator
from itertools import product
from math import prod

from nas_space.architecture import Architecture, Layer
from nas_space.config import SpaceConfig


def count_networks(space: SpaceConfig) -> int:
    """How many different networks can be derived from the space."""
    layers = [len(space.operators) * len(space.width_candidates(stage)) ** 2 for stage in space.stages]
    return prod(
        sum(count**depth for depth in depths) for count, depths in zip(layers, space.depth_candidates, strict=True)
    )


def all_networks(space: SpaceConfig) -> Iterator[Architecture]:
    """Each network of the space once."""
    return (Architecture(space, stages) for stages in product(*(_stages(space, stage) for stage in space.stages)))


def _stages(space: SpaceConfig, stage: int) -> Iterator[tuple[Layer, ...]]:
    widths = space.width_candidates(stage)
    layers = [Layer(*operator, *pair) for operator in space.operators for pair in product(widths, repeat=2)]
    for depth in space.depth_candidates[stage]:
        yield from product(layers, repeat=depth)
