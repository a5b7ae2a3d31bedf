"""Build a latency table: measure the layers of a space, one by one, with an engine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from experiments.inference.sessions import Runner
from experiments.latency.engines import Engine, Shape, find_engine, processor_name
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
YARDSTICK = (32, 24, 32)  # channels, height and width of the layer that tells how fast the machine is: a tenth of a millisecond
QUIET = 1.05  # a moment in which the yardstick takes at most so many times its fastest is one in which nothing disturbs

T = TypeVar("T")
Timer = Callable[[], float]


@dataclass(frozen=True)
class Job:
    """A module to be measured: how to build it, and its input's shape ``(N, C, H, W)``."""

    build: Callable[[], nn.Module]
    shape: Shape


def timer(threads: int) -> Timer:
    """The clock of a measurement, in seconds.

    With one thread it is the processor time of this process: the same as the time on the wall of an idle machine, and it stands
    still while other processes have the core. With more threads only the clock on the wall tells how long a call takes.
    """
    return time.process_time if threads == 1 else time.perf_counter


def measure(jobs: Sequence[Job], engine: Engine, threads: int, rounds: int, clock: Timer) -> NDArray[np.float64]:
    """Milliseconds of one call of each module.

    Every round builds, warms up and times all modules in turn, so a slow spell of the machine meets all of them, only one of them
    is in memory, and none keeps a lucky place in it. The fastest call counts: other processes and a busy host only ever slow one down.
    A host that is busy for seconds slows whole rounds down, some modules in all of them and others in none, as they come; so each
    module is timed between two timings of a yardstick, always the same layer, and what these tell is in ``undisturbed``.
    Neither torch's random numbers nor its number of threads are different afterwards.

    Args:
        jobs: what to measure.
        engine: what runs it.
        threads: threads of the engine.
        rounds: how often everything is measured, at least 1.
        clock: the clock, in seconds.

    Returns:
        ``(jobs,)``.
    """
    times, yardsticks = np.empty((2, rounds, len(jobs)))
    channels, *size = YARDSTICK
    yardstick = Job(lambda: ResidualLayer(channels, 1, 1, channels, channels), (1, channels, size[0], size[1]))
    threads_before = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            run_yardstick = engine.build(yardstick.build().eval(), yardstick.shape, threads)
            for row, beside in zip(times, yardsticks, strict=True):
                for i, job in enumerate(jobs):
                    run = engine.build(job.build().eval(), job.shape, threads)
                    before = _fastest(run_yardstick, yardstick.shape, clock)
                    row[i] = _fastest(run, job.shape, clock)
                    beside[i] = max(before, _fastest(run_yardstick, yardstick.shape, clock))
    finally:
        torch.set_num_threads(threads_before)
    return 1000 * undisturbed(times, yardsticks)


def undisturbed(times: NDArray[np.float64], yardsticks: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each module takes on a machine with nothing else to do.

    The fastest time of the rounds in which the machine was quiet around it. Where it never was, the median of the times, each
    over how much longer the yardstick took beside it than at its fastest: not as exact, but right where a busy host slows all
    down alike, while the fastest of disturbed times tells which module was lucky.

    Args:
        times: seconds of every module in every round, ``(rounds, modules)``.
        yardsticks: seconds of the yardstick around each of them, the slower of before and after.

    Returns:
        Seconds, ``(modules,)``.
    """
    slower = yardsticks / yardsticks.min()
    fastest = np.where(slower <= QUIET, times, np.inf).min(0)
    return np.where(np.isfinite(fastest), fastest, np.median(times / slower, 0))


def _fastest(run: Runner, shape: Shape, clock: Timer) -> float:
    """Seconds of the fastest call, of at least 2 and at most ``CALLS``, until ``ENOUGH`` have passed."""
    image = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    run(image)  # the first call allocates
    seconds: list[float] = []
    while len(seconds) < 2 or (len(seconds) < CALLS and sum(seconds) < ENOUGH):
        start = clock()
        run(image)
        seconds.append(clock() - start)
    return min(seconds)


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
        jobs.append(Job(nn.ReLU, shape))  # what is paid once for a call: the engine's overhead, reading and writing features
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
