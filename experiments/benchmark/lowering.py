"""Which form of partial residuals an engine runs fastest: whole networks, exported in each form, timed in turns."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from experiments.data.transforms import normalise
from experiments.export.formats import FORMATS
from experiments.export.settings import ExportSettings, FileRunner
from nas_space.lowering import LOWERINGS, Lowering

WARM_UP = 5
T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """One network in every form.

    Args:
        seconds: median time of a call, by form.
        ratio: to the form ``pad``, by form: the median over rounds of the ratio of two calls that follow one another.
    """

    seconds: dict[Lowering, float]
    ratio: dict[Lowering, float]

    @property
    def fastest(self) -> Lowering:
        return min(self.ratio, key=self.ratio.__getitem__)


def time_lowerings(
    network: nn.Module, kind: str, size: tuple[int, int], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> Timing:
    """Export a network in every form and time them, in turns, each time in another order.

    Args:
        network: normalised images ``(N, 3, H, W)`` -> logits.
        kind: name of a format whose time can be measured.
        size: height and width of the image.
        rounds: calls of each form, at least 1.
        clock: the clock, in seconds.
    """
    file_format, suffix = FORMATS[kind], FORMATS[kind].suffixes[0]
    image = normalise(torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        runners: dict[Lowering, FileRunner] = {}
        for lowering in LOWERINGS:
            file, settings = Path(folder) / f"{lowering}{suffix}", ExportSettings(size, lowering=lowering)
            file_format.write(network, file, settings)
            runners[lowering] = file_format.open(file, settings)
        rows: list[dict[Lowering, float]] = [{} for _ in range(WARM_UP + rounds)]
        for turn, row in enumerate(rows):
            for lowering in rotated(LOWERINGS, turn):
                start = clock()
                runners[lowering](image)
                row[lowering] = clock() - start
    rows = rows[WARM_UP:]
    seconds = {lowering: statistics.median(row[lowering] for row in rows) for lowering in LOWERINGS}
    ratio = {lowering: statistics.median(row[lowering] / row["pad"] for row in rows) for lowering in LOWERINGS}
    return Timing(seconds, ratio)


def rotated(items: Sequence[T], turn: int) -> list[T]:
    """``items``, beginning with another one each turn."""
    first = turn % len(items)
    return [*items[first:], *items[:first]]
