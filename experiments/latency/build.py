"""Build a latency table: measure the layers of a space, one by one, with an engine."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain, product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from experiments.latency import ROUNDS
from experiments.latency.engines import Engine, Shape, find_engine
from experiments.runs.environment import processor_name
from experiments.runtime.engines import Runner
from nas_space.architecture import Architecture, baseline1
from nas_space.blocks import ResidualLayer
from nas_space.config import SpaceConfig
from nas_space.cost import stage_size
from nas_space.latency import LatencyTable, all_operators, grid_widths
from nas_space.network import SegmentationNetwork

COPIES = 4  # layers of a measured chain: the overhead of a call then weighs little
GRID = 5  # measured widths of each convolution
CALLS = 5  # most timed calls of a module in a round
ENOUGH = 0.01  # seconds of timed calls after which a round continues with the next module
YARDSTICK: Shape = (1, 32, 24, 32)  # input of the layer that shows how fast the machine is now: in 0.1 ms
YARDSTICKS = 6  # most calls of it in a row: after a large module, nothing of it is left in the processor's caches
QUIET = 1.05  # the machine is quiet where the yardstick takes at most so many times its fastest

Timer = Callable[[], float]
Stopwatch = Callable[[], float]


@dataclass(frozen=True)
class TimedModule:
    """A module to be timed: how to build it, and its input's shape ``(N, C, H, W)``."""

    build: Callable[[], nn.Module]
    shape: Shape


class Call(NamedTuple):
    """Seconds that a call of a module took, and that the yardstick took before and after it."""

    seconds: float
    before: float
    after: float


def timer(threads: int) -> Timer:
    """The clock of a measurement, in seconds.

    With one thread it is the processor time of this process. On an idle machine that is the wall-clock time, and it
    stands still while other processes have the core. With more threads only wall-clock time shows what a call takes.
    """
    return time.process_time if threads == 1 else time.perf_counter


def measure(
    modules: Sequence[TimedModule], engine: Engine, threads: int, rounds: int, clock: Timer
) -> NDArray[np.float64]:
    """Milliseconds of one call of each module, ``(modules,)``.

    Every round builds, warms up and times all modules in turn, so a slow spell of the machine hits all of them, and
    none keeps a lucky place in memory. The fastest call counts: other processes and a busy host only slow a call down.
    A host that is busy for long may slow down some modules in all rounds and others in none. So every call of a module
    stands between calls of a yardstick, always the same layer, and ``undisturbed`` corrects by these.

    Torch's random state and number of threads are restored.

    Args:
        modules: what to measure.
        engine: what runs them.
        threads: threads of the engine.
        rounds: how often everything is measured, at least 1.
        clock: the clock, in seconds.
    """
    width = YARDSTICK[1]
    yardstick = TimedModule(lambda: ResidualLayer(width, 1, 1, width, width), YARDSTICK)
    calls: list[list[Call]] = [[] for _ in modules]
    threads_before = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            run_yardstick = _stopwatch(yardstick, engine, threads, clock)
            for _ in range(rounds):
                for module, calls_of_module in zip(modules, calls, strict=True):
                    calls_of_module += _calls(_stopwatch(module, engine, threads, clock), run_yardstick)
    finally:
        torch.set_num_threads(threads_before)
    return 1000 * undisturbed(calls)


def _stopwatch(module: TimedModule, engine: Engine, threads: int, clock: Timer) -> Stopwatch:
    """A function that runs the module once and returns how many seconds it took."""
    run: Runner = engine.build(module.build().eval(), module.shape, threads)
    image = np.random.default_rng(0).standard_normal(module.shape, dtype=np.float32)

    def timed() -> float:
        start = clock()
        run(image)
        return clock() - start

    return timed


def _calls(module: Stopwatch, yardstick: Stopwatch) -> list[Call]:
    """At least 2 and at most ``CALLS`` calls of a module, until ``ENOUGH`` seconds have passed."""

    def pace(module_seconds: float) -> float:
        """The yardstick's fastest call; several, for as long as the module took: the first ones after it are slow."""
        seconds: list[float] = []
        while len(seconds) < 2 or (len(seconds) < YARDSTICKS and sum(seconds) < module_seconds):
            seconds.append(yardstick())
        return min(seconds)

    before = pace(module())  # the first call allocates
    calls: list[Call] = []
    while len(calls) < 2 or (len(calls) < CALLS and sum(call.seconds for call in calls) < ENOUGH):
        seconds = module()
        calls.append(Call(seconds, before, pace(seconds)))
        before = calls[-1].after
    return calls


def undisturbed(calls: Sequence[Sequence[Call]]) -> NDArray[np.float64]:
    """What a call of each module takes on a machine that does nothing else: seconds, ``(modules,)``.

    The fastest call, if the machine was quiet around two of the module's calls. Else the fastest call is a matter of
    luck. Each call is then divided by how much longer the yardstick took beside it than at its fastest, and the median
    is taken. It may be too long, which the fastest call never exceeds: so the smaller of both counts.

    Args:
        calls: the calls of each module.
    """
    yardstick = min(max(call.before, call.after) for call in chain(*calls))
    times = []
    for module in calls:
        fastest = min(call.seconds for call in module)
        quiet = sum(max(call.before, call.after) <= QUIET * yardstick for call in module)
        if quiet >= 2 or yardstick == 0:  # 0: the clock is too coarse for the yardstick
            times.append(fastest)
        else:
            paced = [call.seconds * 2 * yardstick / (call.before + call.after) for call in module]
            times.append(min(fastest, float(np.median(paced))))
    return np.array(times)


def build_table(
    space: SpaceConfig,
    size: tuple[int, int],
    classes: int,
    engine: str,
    threads: int = 1,
    rounds: int = ROUNDS,
    clock: Timer | None = None,
) -> LatencyTable:
    """Measure all layers of ``space``, and the rest of the network.

    Args:
        space: the space; all its operators and widths are measured, searched or not.
        size: image height and width, in pixels.
        classes: channels of the logits.
        engine: what runs the layers: onnxruntime, openvino or torch.
        threads: threads of the engine.
        rounds: how often everything is measured, at least 1.
        clock: the clock, in seconds; ``timer(threads)`` if absent.

    Raises:
        InputError: an unknown engine, or one that is not installed.
    """
    runner = find_engine(engine)
    operators, stages = all_operators(space), range(len(space.widths))
    widths = tuple(grid_widths(space.stage_widths(stage), GRID) for stage in stages)
    modules = [TimedModule(lambda: _without_layers(space, classes), (1, 3, *size))]
    for stage in stages:
        shape = (1, space.widths[stage], *stage_size(size, stage))
        modules.append(TimedModule(nn.ReLU, shape))  # the overhead of a call: the engine, and moving the features
        for (dilation, pooling), c1, c2 in product(operators, widths[stage], widths[stage]):
            layer = (space.widths[stage], dilation, pooling, c1, c2)
            modules.append(TimedModule(partial(_chain, layer), shape))
    times = iter(measure(modules, runner, threads, rounds, clock or timer(threads)).tolist())
    fixed, layers = next(times), []
    for grid in widths:
        of_layer = partial(_layer_ms, next(times), times)
        layers.append(tuple(tuple(tuple(of_layer() for _ in grid) for _ in grid) for _ in operators))
    return LatencyTable(
        space=space,
        size=size,
        classes=classes,
        engine=runner.name,
        precision="32",
        threads=threads,
        device=processor_name(),
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions=runner.versions(),
        fixed_ms=round(fixed, 6),
        widths=widths,
        layers_ms=tuple(layers),
    )


def measure_networks(
    architectures: Sequence[Architecture],
    size: tuple[int, int],
    classes: int,
    engine: str,
    threads: int = 1,
    rounds: int = ROUNDS,
    clock: Timer | None = None,
) -> NDArray[np.float64]:
    """Milliseconds of one image through each whole network, ``(architectures,)``; the rest is as in ``build_table``."""
    modules = [TimedModule(partial(SegmentationNetwork, net, classes), (1, 3, *size)) for net in architectures]
    return measure(modules, find_engine(engine), threads, rounds, clock or timer(threads))


def _chain(layer: tuple[int, int, int, int, int]) -> nn.Sequential:
    return nn.Sequential(*(ResidualLayer(*layer) for _ in range(COPIES)))


def _without_layers(space: SpaceConfig, classes: int) -> SegmentationNetwork:
    network = SegmentationNetwork(baseline1(space), classes)
    network.stage1, network.stage2 = nn.Sequential(), nn.Sequential()
    return network


def _layer_ms(overhead: float, chains: Iterator[float]) -> float:
    """Of one layer in the next chain."""
    return round(max(next(chains) - overhead, 0.0) / COPIES, 6)
