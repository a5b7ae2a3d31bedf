"""How well a latency table predicts: random networks are exported and timed as ``ssr-nas benchmark`` times them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.benchmark.networks.networks import Network
from experiments.benchmark.networks.statistics import latency
from experiments.benchmark.networks.timing import Entry, NetworkTiming, Setup, measure
from experiments.latency.networks import patterned
from experiments.runtime.interface import Interface
from nas_space.architecture import Architecture, baseline1
from nas_space.cost import cost
from nas_space.latency import LatencyTable
from nas_space.network import SegmentationNetwork

ROUNDS, CALLS, WARMUP = 30, 5, 3  # rounds of all networks; calls of each in a round, and before the first one


class MeasuredNetwork(NamedTuple):
    """A network: its latency measured and predicted, in quiet milliseconds, and its ``macs_total``."""

    measured_ms: float
    predicted_ms: float
    macs: float


@dataclass(frozen=True)
class TableAccuracy:
    """Measured and predicted latency of some networks.

    Args:
        networks: random ones.
        reference: ``baseline1``.
        busy_cores: how many cores others kept busy meanwhile.
    """

    networks: tuple[MeasuredNetwork, ...]
    reference: MeasuredNetwork
    busy_cores: float

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
        return float(np.median(np.abs(self._ratios() - 1)))

    @property
    def median_ratio(self) -> float:
        """Median over networks of predicted / measured: below 1 the table promises too much."""
        return float(np.median(self._ratios()))

    @property
    def median_error_beside_reference(self) -> float:
        """The error of a network's time relative to ``baseline1``: what is left where the machine is slower today."""
        pace = self.reference.predicted_ms / self.reference.measured_ms
        return float(np.median(np.abs(self._ratios() / pace - 1)))

    def summary(self) -> dict[str, Any]:
        """All figures by name, for JSON."""
        names = ("rank_correlation", "rank_correlation_macs", "median_relative_error", "median_ratio")
        figures = {name: getattr(self, name) for name in (*names, "median_error_beside_reference", "busy_cores")}
        return {
            **figures,
            "baseline1": self.reference._asdict(),
            "networks": [network._asdict() for network in self.networks],
        }

    def _ratios(self) -> np.ndarray:
        return np.array([network.predicted_ms / network.measured_ms for network in self.networks])


def check_table(
    table: LatencyTable, count: int, rounds: int = ROUNDS, progress: Callable[[str], object] = lambda _: None
) -> TableAccuracy:
    """Measure ``count`` random networks of the table's space, and ``baseline1``, in turns, each in its own process.

    Args:
        table: the table.
        count: how many networks; always the same ones for a space.
        rounds: how often all of them are measured.
        progress: told what is going on, in a few words.

    Raises:
        InputError: the table's engine is not installed.
    """
    generator = random.Random(0)
    networks = [baseline1(table.space), *(Architecture.random(table.space, generator) for _ in range(count))]
    entries = [Entry(_network(table, number, network), table.precision) for number, network in enumerate(networks)]
    setup = Setup(table.engine, table.threads, "cpu", rounds, CALLS, WARMUP)
    interface = Interface(table.pixels, table.resize, table.argmax)
    timings, others = measure(entries, table.size, setup, progress, interface)
    measured = [_compare(table, network, timing) for network, timing in zip(networks, timings, strict=True)]
    return TableAccuracy(tuple(measured[1:]), measured[0], others)


def _network(table: LatencyTable, number: int, architecture: Architecture) -> Network:
    build = partial(patterned, SegmentationNetwork, architecture, table.classes, table.head)
    return Network(f"network {number}", table.classes, build, architecture=architecture, head=table.head)


def _compare(table: LatencyTable, network: Architecture, timing: NetworkTiming) -> MeasuredNetwork:
    macs = cost(network, table.size, table.classes, table.head).macs_total
    return MeasuredNetwork(latency(timing.seconds).quiet_ms, table.predict(network), macs)


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where all values of a side are equal."""
    ranks = [pd.Series(values).rank() for values in (first, second)]
    if any(rank.nunique() < 2 for rank in ranks):
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])
