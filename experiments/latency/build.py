"""Build a latency table: measure the layers of a space, one by one, with an engine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from experiments.latency.engines import Engine, Shape, find_engine
from experiments.runs.environment import processor_name
from experiments.runtime.engines import Runner
from nas_space.architecture import Architecture, baseline1
from nas_space.blocks import ResidualLayer
from nas_space.config import SpaceConfig
from nas_space.cost import stage_size
from nas_space.latency import LatencyTable, all_operators, grid_widths
from nas_space.network import SegmentationNetwork

COPIES = 4  # layers of a measured chain: what is paid once for a call weighs little then
GRID = 5  # measured widths of each convolution
CALLS = 5  # most timed calls of a module in a round
ENOUGH = 0.01  # seconds of timed calls after which a round goes on to the next module
ROUNDS = 5
YARDSTICK: Shape = (
    1,
    32,
    24,
    32,
)  # features of the layer that tells how fast the machine is just now: a tenth of a millisecond
YARDSTICKS = 6  # most calls of it in a row: a module of many features leaves it nothing in the processor's caches
QUIET = 1.05  # where the yardstick takes at most so many times its fastest, nothing disturbs

T = TypeVar("T")
Timer = Callable[[], float]
Stopwatch = Callable[[], float]


@dataclass(frozen=True)
class Job:
    """A module to be measured: how to build it, and its input's shape ``(N, C, H, W)``."""

    build: Callable[[], nn.Module]
    shape: Shape


class Call(NamedTuple):
    """Seconds that a call of a module took, and the yardstick before and after it."""

    seconds: float
    before: float
    after: float


def timer(threads: int) -> Timer:
    """The clock of a measurement, in seconds.

    With one thread it is the processor time of this process: the same as the time on the wall of an idle machine, and
    it stands still while other processes have the core. With more threads only the clock on the wall tells how long a
    call takes.
    """
    return time.process_time if threads == 1 else time.perf_counter


def measure(jobs: Sequence[Job], engine: Engine, threads: int, rounds: int, clock: Timer) -> NDArray[np.float64]:
    """Milliseconds of one call of each module.

    Every round builds, warms up and times all modules in turn, so a slow spell of the machine meets all of them, only
    one of them is in memory, and none keeps a lucky place in it. The fastest call counts: other processes and a busy
    host only ever slow one down. But a host that is busy for long slows down some modules in all rounds and others in
    none, as it happens; so every call of a module stands between calls of a yardstick, always the same layer, and
    ``undisturbed`` says what these tell. Neither torch's random numbers nor its number of threads are different
    afterwards.

    Args:
        jobs: what to measure.
        engine: what runs it.
        threads: threads of the engine.
        rounds: how often everything is measured, at least 1.
        clock: the clock, in seconds.

    Returns:
        ``(jobs,)``.
    """
    width = YARDSTICK[1]
    yardstick = Job(lambda: ResidualLayer(width, 1, 1, width, width), YARDSTICK)
    calls: list[list[Call]] = [[] for _ in jobs]
    threads_before = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            run_yardstick = _stopwatch(yardstick, engine, threads, clock)
            for _ in range(rounds):
                for job, found in zip(jobs, calls, strict=True):
                    found += _calls(_stopwatch(job, engine, threads, clock), run_yardstick)
    finally:
        torch.set_num_threads(threads_before)
    return 1000 * undisturbed(calls)


def _stopwatch(job: Job, engine: Engine, threads: int, clock: Timer) -> Stopwatch:
    """A function that runs the module once and returns how many seconds it took."""
    run: Runner = engine.build(job.build().eval(), job.shape, threads)
    image = np.random.default_rng(0).standard_normal(job.shape, dtype=np.float32)

    def timed() -> float:
        start = clock()
        run(image)
        return clock() - start

    return timed


def _calls(module: Stopwatch, yardstick: Stopwatch) -> list[Call]:
    """At least 2 and at most ``CALLS`` calls of a module, until ``ENOUGH`` seconds have passed."""

    def pace(beside: float) -> float:
        """The yardstick's fastest of several calls, until they have taken as long as the module's call: the first are slow after it."""
        seconds: list[float] = []
        while len(seconds) < 2 or (len(seconds) < YARDSTICKS and sum(seconds) < beside):
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
    """What a call of each module takes on a machine that does nothing else.

    The fastest, if the machine was quiet around two of a module's calls. Where it never was, the fastest tells which
    module was lucky: there the median of the calls, each over how much longer the yardstick took beside it than at its
    fastest, is nearer to the truth, which it may exceed but the fastest call cannot fall short of.

    Args:
        calls: those of each module.

    Returns:
        Seconds, ``(modules,)``.
    """
    yardstick = min(max(call.before, call.after) for module in calls for call in module)
    times = []
    for module in calls:
        fastest = min(call.seconds for call in module)
        quiet = sum(max(call.before, call.after) <= QUIET * yardstick for call in module)
        if quiet >= 2 or yardstick == 0:  # a clock too coarse for it tells nothing
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
    """Measure all layers of ``space``, and what is not searched.

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
    runs = find_engine(engine)
    widths = tuple(grid_widths(space.stage_widths(stage), GRID) for stage in range(len(space.widths)))
    jobs = [Job(lambda: _without_layers(space, classes), (1, 3, *size))]
    for stage, candidates in enumerate(widths):
        shape = (1, space.widths[stage], *stage_size(size, stage))
        jobs.append(
            Job(nn.ReLU, shape)
        )  # what is paid once for a call: the engine's overhead, reading and writing features
        for (dilation, pooling), c1, c2 in product(all_operators(space), candidates, candidates):
            layer = (space.widths[stage], dilation, pooling, c1, c2)
            jobs.append(Job(lambda layer=layer: nn.Sequential(*(ResidualLayer(*layer) for _ in range(COPIES))), shape))  # type: ignore[misc]
    fixed, *rest = measure(jobs, runs, threads, rounds, clock or timer(threads)).tolist()
    layers = []
    for candidates in widths:
        overhead, *chains = rest[: 1 + len(all_operators(space)) * len(candidates) ** 2]
        rest = rest[1 + len(chains) :]
        times = [round(max(chain - overhead, 0.0) / COPIES, 6) for chain in chains]
        rows = _groups(times, len(candidates))
        layers.append(_groups(rows, len(candidates)))
    return LatencyTable(
        space=space,
        size=size,
        classes=classes,
        engine=runs.name,
        precision="32",
        threads=threads,
        device=processor_name(),
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions=runs.versions(),
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
    """Milliseconds of one image through each whole network, ``(architectures,)``; arguments and errors as of ``build_table``."""
    jobs = [Job(lambda net=net: SegmentationNetwork(net, classes), (1, 3, *size)) for net in architectures]  # type: ignore[misc]
    return measure(jobs, find_engine(engine), threads, rounds, clock or timer(threads))


def _without_layers(space: SpaceConfig, classes: int) -> SegmentationNetwork:
    network = SegmentationNetwork(baseline1(space), classes)
    network.stage1, network.stage2 = nn.Sequential(), nn.Sequential()
    return network


def _groups(values: Sequence[T], size: int) -> tuple[tuple[T, ...], ...]:
    """``values`` in groups of ``size``."""
    return tuple(tuple(values[i : i + size]) for i in range(0, len(values), size))
