"""Measure which form of partial residuals each engine runs fastest: what ``export`` chooses by.

Random networks of the space are exported in every form (``pad``, ``concat``, ``zeros``) and timed in turns on this
machine.
"""

import random
import statistics
from dataclasses import dataclass, field
from typing import Any

import torch

from experiments.benchmark.lowering import FORMATS, Timing, time_lowerings
from experiments.latency.engines import find_engine, processor_name
from experiments.options.groups import SpaceOptions, parse_size
from nas_space.architecture import Architecture
from nas_space.errors import InputError
from nas_space.lowering import LOWERINGS, Lowering
from nas_space.network import SegmentationNetwork

ENGINES = {"onnx": "onnxruntime", "openvino": "openvino", "torchscript": "torch"}


@dataclass
class Options:
    """Options of ``ssr-nas export lowering``.

    Args:
        space: where the networks come from.
        count: how many random networks; always the same ones for a space.
        size: image size HEIGHTxWIDTH in pixels.
        classes: classes of the segmentation.
        formats: formats to measure, any of onnx, openvino, torchscript.
        threads: threads of the engine.
        rounds: calls of each form.
    """

    space: SpaceOptions = field(default_factory=SpaceOptions)
    count: int = 4
    size: str = "360x480"
    classes: int = 11
    formats: list[str] = field(default_factory=lambda: list(FORMATS))
    threads: int = 1
    rounds: int = 20


def run(options: Options) -> dict[str, Any]:
    """Measure and print a table.

    Returns:
        By format: the fastest form, and the geometric mean over networks of each form's time over that of ``pad``.
    """
    for key in ("count", "classes", "threads", "rounds"):
        if getattr(options, key) < 1:
            raise InputError(f"{key}: {getattr(options, key)} must be at least 1")
    for kind in options.formats:
        if kind not in FORMATS:
            raise InputError(f"formats: unknown {kind!r}; choose from {', '.join(FORMATS)}")
        find_engine(ENGINES[kind])
    space, size, generator = options.space.resolve(), parse_size(options.size), random.Random(0)
    networks = [
        SegmentationNetwork(Architecture.random(space, generator), options.classes).eval() for _ in range(options.count)
    ]
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        timings = {
            kind: [time_lowerings(network, kind, size, options.rounds) for network in networks]
            for kind in options.formats
        }
    finally:
        torch.set_num_threads(threads)
    print(f"{processor_name()}, threads {options.threads}, float32, {options.size}")
    print(f"{options.count} random networks of {options.space.preset}, {options.rounds} rounds")
    ratios = {kind: _means(rows) for kind, rows in timings.items()}
    fastest = {kind: min(LOWERINGS, key=ratio.__getitem__) for kind, ratio in ratios.items()}
    print("\n".join(_table(timings, ratios, fastest)))
    versions = {kind: find_engine(ENGINES[kind]).versions() for kind in options.formats}
    measured = {"device": processor_name(), "threads": options.threads, "size": options.size, "versions": versions}
    return {"fastest": fastest, "ratios": ratios, **measured}


def _means(rows: list[Timing]) -> dict[Lowering, float]:
    return {lowering: statistics.geometric_mean(row.ratio[lowering] for row in rows) for lowering in LOWERINGS}


def _table(
    timings: dict[str, list[Timing]], ratios: dict[str, dict[Lowering, float]], fastest: dict[str, Any]
) -> list[str]:
    lines = [f"  {'milliseconds':<14}" + "".join(f"{lowering:>9}" for lowering in LOWERINGS)]
    for kind, rows in timings.items():
        for row in rows:
            lines.append(f"  {kind:<14}" + "".join(f"{1000 * row.seconds[lowering]:>9.2f}" for lowering in LOWERINGS))
        means = "".join(f"{ratios[kind][lowering]:>9.3f}" for lowering in LOWERINGS)
        lines.append(f"  {'of pad':<14}{means}   fastest: {fastest[kind]}")
    return lines
