"""A table is compared with networks that are exported and timed by the benchmark."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments.benchmark import table_check
from experiments.benchmark.networks.timing import Entry, Setup
from experiments.benchmark.table_check import CALLS, MeasuredNetwork, TableAccuracy, check_table, spearman
from experiments.latency.networks import make_plan
from experiments.runtime.interface import Interface
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.latency import LatencyTable

SPACE = SpaceConfig(4, (8, 12), ((1, 2), (1, 2)), (1, 4), (1, 2), 4, 2)
INTERFACE = Interface(True, True, True)


@pytest.fixture
def table() -> LatencyTable:
    plan = make_plan(SPACE, (64, 96), 5, "aggregation", INTERFACE, "onnxruntime", "int8")
    times = [20.0, *(20.0 + 4 * layer.width_3x1 * layer.dilation / 10 for _, layer in plan.layers)]
    return plan.table(times, 2, "a board", "2026-01-02", {})


def test_networks_are_timed_as_the_benchmark_times_them(table: LatencyTable, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def measure(entries: Sequence[Entry], size: Any, setup: Setup, progress: Any, interface: Interface) -> Any:
        told.append((len(entries), size, setup, interface, {entry.precision for entry in entries}))
        networks = [entry.network for entry in entries]
        assert all(isinstance(net.architecture, Architecture) and net.head == "aggregation" for net in networks)
        times = [1.25 * table.predict(net.architecture) / 1000 for net in networks if net.architecture]
        return [SimpleNamespace(seconds=np.full((3, CALLS), seconds)) for seconds in times], 0.5

    monkeypatch.setattr(table_check, "measure", measure)
    accuracy = check_table(table, 6, 3)
    setup = Setup("onnxruntime", 2, "cpu", 3, CALLS, table_check.WARMUP)
    assert told == [(7, (64, 96), setup, INTERFACE, {"int8"})]
    assert accuracy.rank_correlation == pytest.approx(1.0) and accuracy.rank_correlation_macs < 1.0
    assert accuracy.median_relative_error == pytest.approx(0.2) and accuracy.median_ratio == pytest.approx(0.8)
    assert accuracy.median_error_beside_reference == pytest.approx(0.0, abs=1e-9)
    summary = accuracy.summary()
    assert summary["busy_cores"] == 0.5 and len(summary["networks"]) == 6
    assert summary["baseline1"]["macs"] == cost(table_check.baseline1(SPACE), (64, 96), 5, "aggregation").macs_total


def test_figures() -> None:
    networks = tuple(MeasuredNetwork(*row) for row in ((10.0, 9.0, 3.0), (20.0, 20.0, 2.0), (40.0, 44.0, 1.0)))
    accuracy = TableAccuracy(networks, MeasuredNetwork(10.0, 11.0, 1.0), 0.0)
    assert accuracy.rank_correlation == 1.0 and accuracy.rank_correlation_macs == -1.0
    assert accuracy.median_relative_error == pytest.approx(0.1) and accuracy.median_ratio == 1.0
    assert accuracy.median_error_beside_reference == pytest.approx(1 - 1 / 1.1)


def test_rank_correlation_is_spearmans() -> None:
    generator = np.random.default_rng(0)
    for _ in range(5):
        first, second = generator.integers(0, 6, (2, 12)).tolist()
        assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(spearman([1, 1], [1, 2]))
