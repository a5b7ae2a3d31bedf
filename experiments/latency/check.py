"""How well a table predicts: whole networks are measured and compared with the prediction and with their MACs."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.latency.build import Timer, measure_networks
from nas_space.architecture import Architecture
from nas_space.cost import cost
from nas_space.latency import LatencyTable


class MeasuredNetwork(NamedTuple):
    """A network: its latency measured and predicted, in milliseconds, and its ``macs_total``."""

    measured_ms: float
    predicted_ms: float
    macs: float


@dataclass(frozen=True)
class TableAccuracy:
    """Measured and predicted latency of some networks."""

    networks: tuple[MeasuredNetwork, ...]

    @property
    def rank_correlation(self) -> float:
        """Spearman's, of the predicted with the measured latency."""
        return spearman([net.predicted_ms for net in self.networks], [net.measured_ms for net in self.networks])

    @property
    def rank_correlation_macs(self) -> float:
        """Spearman's, of the multiply-accumulates with the measured latency: the proxy of a search without a table."""
        return spearman([net.macs for net in self.networks], [net.measured_ms for net in self.networks])

    @property
    def median_relative_error(self) -> float:
        """Median over networks of |predicted - measured| / measured."""
        return float(np.median([abs(net.predicted_ms - net.measured_ms) / net.measured_ms for net in self.networks]))


def check_table(table: LatencyTable, count: int, rounds: int, clock: Timer | None = None) -> TableAccuracy:
    """Measure ``count`` random networks of the table's space as the table was measured.

    Args:
        table: the table.
        count: how many networks; always the same ones for a space.
        rounds: how often all of them are measured.
        clock: the clock, in seconds; the usual one if absent.

    Raises:
        InputError: the table's engine is not installed.
    """
    generator = random.Random(0)
    networks = [Architecture.random(table.space, generator) for _ in range(count)]
    times = measure_networks(networks, table.size, table.classes, table.engine, table.threads, rounds, clock)
    macs = [cost(network, table.size, table.classes).macs_total for network in networks]
    predicted = [table.predict(network) for network in networks]
    return TableAccuracy(tuple(map(MeasuredNetwork, times.tolist(), predicted, macs)))


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where all values of a side are equal."""
    ranks = [pd.Series(values).rank() for values in (first, second)]
    if any(rank.nunique() < 2 for rank in ranks):
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])
