"""Measure which form of residuals each engine runs fastest.

The networks are those of a space, with partial residuals; ``export`` chooses by it.

Random networks of the space are exported in every form (``pad``, ``concat``, ``zeros``) and timed in turns on this
machine.
"""

import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.export.formats import FORMATS, TIMED, USUAL
from experiments.options.groups import SpaceOptions, parse_size
from experiments.runs.tables import counted
from experiments.runs.threads import check_threads
from nas_space.architecture import Architecture
from nas_space.config import check_size
from nas_space.errors import InputError

if TYPE_CHECKING:
    from experiments.benchmark.lowering import Timing


@dataclass
class Options:
    """Options of ``ssr-nas export lowering``.

    Args:
        space: where the networks come from.
        count: how many random networks; always the same ones for a space.
        size: image size HEIGHTxWIDTH in pixels.
        classes: classes of the segmentation.
        formats: formats to measure, any of TIMED.
        threads: threads of the engine.
        rounds: calls of each form.
    """

    space: SpaceOptions = field(default_factory=SpaceOptions)
    count: int = 4
    size: str = "360x480"
    classes: int = 11
    formats: list[str] = field(default_factory=lambda: list(USUAL))
    threads: int = 1
    rounds: int = 20


assert Options.__doc__ is not None
Options.__doc__ = Options.__doc__.replace("TIMED", ", ".join(TIMED))


def run(options: Options) -> dict[str, Any]:
    """Measure; print and return, by format, the fastest form and each form's mean time over that of ``pad``."""
    import torch

    from experiments.benchmark.lowering import time_lowerings
    from experiments.runs.environment import engine_versions, processor_name
    from nas_space.lowering import LOWERINGS
    from nas_space.network import SegmentationNetwork

    for key in ("count", "classes", "threads", "rounds"):
        if getattr(options, key) < 1:
            raise InputError(f"{key}: {getattr(options, key)} must be at least 1")
    check_threads(options.threads)
    for kind in options.formats:
        if kind not in TIMED:
            raise InputError(f"formats: unknown {kind!r}; choose from {', '.join(TIMED)}")
        FORMATS[kind].check_installed()
    space, size, generator = options.space.resolve(), parse_size(options.size), random.Random(0)
    check_size("size", size, len(space.widths))
    architectures = [Architecture.random(space, generator) for _ in range(options.count)]
    networks = [SegmentationNetwork(architecture, options.classes).eval() for architecture in architectures]
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        rounds, kinds = options.rounds, options.formats
        timings = {kind: [time_lowerings(network, kind, size, rounds) for network in networks] for kind in kinds}
    finally:
        torch.set_num_threads(threads)
    print(f"{processor_name()}, threads {options.threads}, float32, {options.size}")
    print(f"{counted(options.count, 'random network')} of {options.space.preset}, {counted(options.rounds, 'round')}")
    ratios = {
        kind: {form: statistics.geometric_mean(row.ratio[form] for row in rows) for form in LOWERINGS}
        for kind, rows in timings.items()
    }
    fastest: dict[str, str] = {kind: min(LOWERINGS, key=ratio.__getitem__) for kind, ratio in ratios.items()}
    print("\n".join(_table_lines(timings, ratios, fastest)))
    versions = {kind: engine_versions(FORMATS[kind].packages) for kind in options.formats}
    measured = {"device": processor_name(), "threads": options.threads, "size": options.size, "versions": versions}
    return {"fastest": fastest, "ratios": ratios, **measured}


def _table_lines(
    timings: Mapping[str, "list[Timing]"], ratios: Mapping[str, Mapping[Any, float]], fastest: Mapping[str, str]
) -> list[str]:
    from nas_space.lowering import LOWERINGS

    lines = [f"  {'milliseconds':<14}" + "".join(f"{form:>9}" for form in LOWERINGS)]
    for kind, rows in timings.items():
        for row in rows:
            lines.append(f"  {kind:<14}" + "".join(f"{1000 * row.seconds[form]:>9.2f}" for form in LOWERINGS))
        means = "".join(f"{ratios[kind][form]:>9.3f}" for form in LOWERINGS)
        lines.append(f"  {'of pad':<14}{means}   fastest: {fastest[kind]}")
    return lines
