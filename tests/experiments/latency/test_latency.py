"""Measured latency: the ONNX graph computes what the network computes, and the table holds the right differences."""

import json
import random
import sys
from collections.abc import Callable, Iterator
from itertools import groupby, product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from experiments.latency import build
from experiments.latency.build import QUIET, Call, build_table, measure_networks, timer, undisturbed
from experiments.latency.check import MeasuredNetwork, TableAccuracy, check_table, spearman
from experiments.latency.engines import ENGINES, Engine, find_engine
from experiments.latency.graph import to_onnx
from experiments.runs.environment import processor_name
from nas_space.architecture import Architecture, Layer
from nas_space.blocks import ResidualLayer
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.latency import LatencyTable, all_operators
from nas_space.network import SegmentationNetwork

OTHERS = [name for name in ENGINES if name != "torch"]


def learned(module: nn.Module) -> nn.Module:
    """Batch norms that have learned something, so that mistakes in their folding show."""
    with torch.no_grad():
        for norm in (part for part in module.modules() if isinstance(part, nn.BatchNorm2d)):
            assert norm.running_mean is not None and norm.running_var is not None
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_()
            norm.running_mean.normal_(std=0.3)
            norm.running_var.uniform_(0.5, 2.0)
    return module.eval()


def assert_same(name: str, module: nn.Module, shape: tuple[int, int, int, int]) -> None:
    image = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(image)).numpy()
    result = find_engine(name).build(module, shape, 1)(image)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("size", [(12, 16), (13, 16), (12, 17), (13, 17)])
def test_every_layer_computes_the_same(size: tuple[int, int]) -> None:
    for dilation, pooling, widths in product((1, 2, 4), (1, 2), ((8, 8), (4, 8), (8, 6), (5, 3))):
        assert_same("onnxruntime", learned(ResidualLayer(8, dilation, pooling, *widths)), (1, 8, *size))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("size", [(64, 96), (67, 101)])
def test_whole_networks_compute_the_same(name: str, size: tuple[int, int], tiny: Callable[..., SpaceConfig]) -> None:
    for seed in range(3):
        network = learned(SegmentationNetwork(Architecture.random(tiny(), random.Random(seed)), 5))
        assert_same(name, network, (1, 3, *size))


def test_the_graph_is_valid_and_holds_one_batch_norm_for_each_downsampler(tiny: Callable[..., SpaceConfig]) -> None:
    network = learned(SegmentationNetwork(Architecture.random(tiny(), random.Random(0)), 5))
    model = to_onnx(network, (2, 3, 67, 101))
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node].count("BatchNormalization") == 3
    assert [axis.dim_value for axis in model.graph.output[0].type.tensor_type.shape.dim] == [2, 5, 9, 13]


def test_other_modules_are_refused(tiny: Callable[..., SpaceConfig]) -> None:
    network = SegmentationNetwork(Architecture.random(tiny(), random.Random(0)), 5, "aggregation")
    with pytest.raises(TypeError, match="AggregationBlock cannot be written"):
        to_onnx(network, (1, 3, 64, 64))


class FakeEngine:
    """Takes, on its own clock, a call's overhead and a time for each layer; every second module is ``slow``.

    At a time, its host takes ``pace`` seconds for a second.
    """

    def __init__(self) -> None:
        self.now, self.built, self.slow = 0.0, 0, 1.5
        self.pace: Callable[[float], float] = lambda now: 1.0

    def layer(self, layer: ResidualLayer) -> float:
        return (
            0.001 * layer.conv.conv3x1.out_channels
            + 0.0001 * layer.conv.conv1x3.out_channels * layer.conv.conv1x3.dilation[1]
        )

    def build(self, module: nn.Module, shape: tuple[int, ...], threads: int) -> Callable[[Any], Any]:
        assert not module.training
        self.built += 1
        layers = sum(self.layer(part) for part in module.modules() if isinstance(part, ResidualLayer))
        seconds = 0.5 + layers + (0.25 if isinstance(module, SegmentationNetwork) else 0.0)
        slow = 1.0 if self.built % 2 else self.slow

        def run(image: Any) -> Any:
            assert image.shape == shape
            self.now += seconds * slow * self.pace(self.now)
            return image

        return run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    fake = FakeEngine()
    monkeypatch.setitem(ENGINES, "fake", Engine("fake", fake.build, ("torch",)))
    yield fake


def test_a_table_holds_the_times_of_single_layers(fake: FakeEngine, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(("depth",), step=1)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    # The number of modules is odd, so each is slow in one round of two: the fastest call counts.
    table = build_table(space, (64, 96), 5, "fake", 1, 2, lambda: fake.now)
    assert fake.built == 1 + 2 * (1 + 2 * (1 + 6 * 25))  # the yardstick once
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
    assert (table.engine, table.threads, table.precision, table.size, table.classes) == ("fake", 1, "32", (64, 96), 5)
    assert table.device == processor_name() and table.versions["torch"] == torch.__version__.partition("-")[0]
    assert table.widths == ((4, 5, 6, 7, 8), (8, 9, 10, 11, 12))
    assert table.fixed_ms == pytest.approx(750)
    for stage, (dilation, pooling) in product((0, 1), all_operators(space)):
        for c1, c2 in product(table.widths[stage], repeat=2):
            assert table.layer_ms(stage, dilation, pooling, c1, c2) == pytest.approx(c1 + 0.1 * c2 * dilation)
    assert LatencyTable.from_json(table.to_json()) == table


def test_whole_networks_agree_where_latency_is_additive(fake: FakeEngine, tiny: Callable[..., SpaceConfig]) -> None:
    table = build_table(tiny(), (64, 96), 5, "fake", 1, 2, lambda: fake.now)
    fake.built = 0
    accuracy = check_table(table, 5, 2, lambda: fake.now)
    assert len(accuracy.networks) == 5
    assert accuracy.rank_correlation == pytest.approx(1.0) and accuracy.median_relative_error == pytest.approx(
        0.0, abs=1e-6
    )
    assert accuracy.rank_correlation_macs < 1.0


def test_a_host_that_is_busy_for_seconds_changes_no_ranks(fake: FakeEngine, tiny: Callable[..., SpaceConfig]) -> None:
    """A tenth of the time is quiet: most modules are never measured in it, and some are."""
    generator = random.Random(0)
    slower = [1.0 if generator.random() < 0.1 else generator.uniform(1.2, 1.8) for _ in range(1000)]
    fake.pace = lambda now: slower[int(now / 40) % len(slower)]  # some ten modules a spell
    fake.slow = 1.0
    accuracy = check_table(build_table(tiny(), (64, 96), 5, "fake", 1, 3, lambda: fake.now), 20, 3, lambda: fake.now)
    assert accuracy.rank_correlation > 0.99 and accuracy.median_relative_error < 0.01


def test_what_a_module_takes_undisturbed() -> None:
    quiet = 2 * QUIET - 0.01
    twice = [Call(3.0, 2.0, 2.0), Call(2.5, 4.0, 4.0), Call(2.6, quiet, 2.0)]
    once = [
        Call(3.0, 2.0, 2.0),
        Call(3.0, 4.0, 4.0),
        Call(3.2, 4.0, 6.0),
    ]  # 3.0, 1.5, 1.28 for a machine that is as quiet as it was once
    never = [Call(4.0, 4.0, 4.0)]
    # 0.64, 2.73, 2.73: never above the fastest
    lucky = [Call(1.0, 2.2, 4.0), Call(3.0, 2.2, 2.2), Call(3.0, 2.2, 2.2)]
    np.testing.assert_allclose(undisturbed([twice, once, never, lucky]), [2.5, 1.5, 2.0, 1.0])
    coarse = [Call(3.0, 0.0, 0.0), Call(2.0, 0.0, 1.0)]
    np.testing.assert_allclose(undisturbed([coarse]), [2.0])


def test_a_layer_faster_than_the_overhead_takes_no_time(fake: FakeEngine, tiny: Callable[..., SpaceConfig]) -> None:
    fake.layer = lambda layer: -0.01  # type: ignore[method-assign]
    table = build_table(tiny(), (64, 96), 5, "fake", 1, 2, lambda: fake.now)
    assert table.layer_ms(0, 1, 1, 8, 8) == 0.0


@pytest.mark.parametrize(
    ("seconds", "calls", "yardsticks"), [(0.0, build.CALLS, 2), (0.004, 3, 5), (1.0, 2, build.YARDSTICKS)]
)
def test_the_number_of_calls_is_bounded(seconds: float, calls: int, yardsticks: int) -> None:
    times: list[float] = []

    def module() -> float:
        times.append(seconds)
        return seconds

    def yardstick() -> float:
        times.append(-1.0)
        return 0.001 if times[-2] >= 0 else 0.0009  # slower after the module

    assert build._calls(module, yardstick) == [(seconds, 0.0009, 0.0009)] * calls
    assert times == [seconds, *[-1.0] * yardsticks] * (1 + calls)  # the first call is not timed


@pytest.mark.parametrize("name", list(ENGINES))
def test_a_real_table(name: str, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(dilations=(1, 4), span=2)
    table = build_table(space, (32, 64), 3, name, rounds=1)
    assert table.engine == name and name in table.versions and table.fixed_ms > 0
    assert all(np.isfinite(array).all() and (array >= 0).all() and array.any() for array in table.tabulate())
    assert measure_networks([Architecture.random(space, random.Random(0))], (32, 64), 3, name, rounds=1)[0] > 0
    assert torch.get_num_threads() == 1


def test_one_thread_is_timed_by_the_processor() -> None:
    assert timer(1) is build.time.process_time and timer(2) is build.time.perf_counter


def test_two_threads() -> None:
    layer = learned(ResidualLayer(8, 1, 2, 8, 8))
    image = np.ones((1, 8, 16, 16), np.float32)
    with torch.inference_mode():
        expected = layer(torch.from_numpy(image)).numpy()
    for engine in ENGINES.values():
        np.testing.assert_allclose(engine.build(layer, (1, 8, 16, 16), 2)(image), expected, rtol=1e-4, atol=1e-4)


def test_an_unknown_or_missing_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="engine: unknown 'tensorrt'; choose from onnxruntime, openvino, torch"):
        find_engine("tensorrt")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"engine: onnxruntime is not installed; pip install 'ssr-nas\[deploy\]'"):
        find_engine("onnxruntime")


def test_rank_correlation_is_spearmans() -> None:
    generator = np.random.default_rng(0)
    for _ in range(5):
        first, second = generator.integers(0, 6, (2, 12)).tolist()
        assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(spearman([1, 1], [1, 2]))


RECORDED = json.loads(Path(__file__).with_name("latency_recorded.json").read_text())
"""Modules of a space and some of its networks, each with the milliseconds that a call took once."""


def named(module: nn.Module, shape: tuple[int, ...]) -> str:
    """A module by its input's channels and its layers: how many in a row; dilation, pooling and both widths of each."""
    layers = []
    for layer in (part for part in module.modules() if isinstance(part, ResidualLayer)):
        first, second = layer.conv.conv3x1, layer.conv.conv1x3
        layers.append(f"{second.dilation[1]},{layer.pooling},{first.out_channels},{second.out_channels}")
    return " ".join((str(shape[1]), *(f"{len(list(alike))}x{layer}" for layer, alike in groupby(layers))))


class Replay(FakeEngine):
    """Takes, on its own clock, what the recorded call of the same module took."""

    def build(self, module: nn.Module, shape: tuple[int, ...], threads: int) -> Callable[[Any], Any]:
        yardstick = isinstance(module, ResidualLayer)
        milliseconds = 0.1 if yardstick else RECORDED["milliseconds"][named(module, shape)]

        def run(image: Any) -> Any:
            self.now += milliseconds / 1000
            return image

        return run


def test_the_table_ranks_networks_as_onnxruntime_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of one depth: depth explains nothing, and a wrong operator or width in the table changes their ranks.

    A recorded measurement, with the layers of a stage alike, so that networks differ as much as their layers do.
    ``ssr-nas latency --check 20`` measures a table and networks of the machine that it runs on.
    """
    replay = Replay()
    monkeypatch.setitem(ENGINES, "fake", Engine("fake", replay.build, ("torch",)))
    space, size = SpaceConfig(**RECORDED["space"]), (RECORDED["size"][0], RECORDED["size"][1])
    table = build_table(space, size, 9, "fake", 1, 1, lambda: replay.now)
    depths = [depth for (depth,) in space.depths]
    networks = [
        Architecture(space, tuple((Layer(*layer),) * depth for layer, depth in zip(layers, depths, strict=True)))
        for layers in RECORDED["networks"]
    ]
    times = measure_networks(networks, size, 9, "fake", 1, 1, lambda: replay.now)
    macs = [cost(net, size, 9).macs_total for net in networks]
    predicted = [table.predict(net) for net in networks]
    accuracy = TableAccuracy(tuple(map(MeasuredNetwork, times.tolist(), predicted, macs)))
    ratios = np.array([net.predicted_ms / net.measured_ms for net in accuracy.networks])
    pace = float(np.median(ratios))
    assert len(networks) == 20 and max(times) > 1.8 * min(times)
    assert accuracy.rank_correlation >= 0.92 and accuracy.rank_correlation > accuracy.rank_correlation_macs
    assert 0.9 < pace < 1.1 and np.median(abs(ratios / pace - 1)) <= 0.04
