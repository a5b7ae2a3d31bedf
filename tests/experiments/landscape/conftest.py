"""Landscapes that nobody trained: scores by a known function."""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.landscape.table import Trained, write_facts, write_rows
from nas_space.architecture import Architecture, baseline1, baseline2
from nas_space.config import SpaceConfig

Score = Callable[[Architecture], float]


def additive(network: Architecture) -> float:
    """Dilation helps in the second stage, pooling hurts: in [0, 1]."""
    first, second = network.stages[:2]
    helps = sum(layer.dilation for layer in second) - sum(layer.pooling for layer in (*first, *second))
    return 0.5 + 0.01 * helps


@pytest.fixture
def make_rows() -> Callable[..., list[Trained]]:
    """``make_rows(space, score, count, seeds, noise)``: both baselines and ``count`` random networks."""

    def make(
        space: SpaceConfig, score: Score = additive, count: int = 20, seeds: Sequence[int] = (0, 1), noise: float = 0.0
    ) -> list[Trained]:
        generator, chance = random.Random(7), np.random.default_rng(7)
        networks = {baseline1(space): "baseline1", baseline2(space): "baseline2"}
        while len(networks) < count + 2:
            networks.setdefault(Architecture.random(space, generator), f"random-{len(networks) - 2}")
        return [
            Trained(name, network, seed, float(score(network) + noise * chance.normal()), 1e6, 1000, 0.5)
            for seed in seeds
            for network, name in networks.items()
        ]

    return make


@pytest.fixture
def write_landscape(make_rows: Callable[..., list[Trained]]) -> Callable[..., Path]:
    """``write_landscape(table, space, **of make_rows)``: the table with its description."""

    def write(table: Path, space: SpaceConfig, **changes: Any) -> Path:
        table.parent.mkdir(parents=True, exist_ok=True)
        write_rows(table, make_rows(space, **changes))
        data = {"name": "streets", "size": "32x40", "limit": 8}
        write_facts(table, {"space": asdict(space), "data": data, "recipe": {"epochs": 2}, "resolution": "32x40"})
        return table

    return write
