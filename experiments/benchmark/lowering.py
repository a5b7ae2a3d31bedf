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
from experiments.export.onnx_file import export_onnx
from experiments.export.openvino_file import export_openvino
from experiments.export.torchscript_file import export_torchscript
from experiments.export.verify import Runner, run_onnxruntime, run_openvino, run_torchscript
from nas_space.lowering import LOWERINGS, Lowering

WARM_UP = 5
T = TypeVar("T")
FORMATS: dict[str, tuple[str, Callable[..., None], Callable[[Path], Runner]]] = {
    "onnx": ("network.onnx", export_onnx, run_onnxruntime),
    "openvino": ("network.xml", export_openvino, run_openvino),
    "torchscript": ("network.pt", export_torchscript, run_torchscript),
}
"""Name of a file, what writes it, and what runs it."""


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
        """The form of the lowest ratio."""
        return min(self.ratio, key=self.ratio.__getitem__)


def time_lowerings(
    network: nn.Module, kind: str, size: tuple[int, int], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> Timing:
    """Export a network in every form and time them, in turns, each time in another order.

    Args:
        network: normalised images ``(N, 3, H, W)`` -> logits.
        kind: a key of ``FORMATS``.
        size: height and width of the image.
        rounds: calls of each form, at least 1.
        clock: the clock, in seconds.
    """
    name, write, read = FORMATS[kind]
    image = normalise(torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        runners: dict[Lowering, Runner] = {}
        for lowering in LOWERINGS:
            (Path(folder) / lowering).mkdir()
            file = Path(folder) / lowering / name
            write(network, file, size, lowering=lowering)
            runners[lowering] = read(file)
        rows: list[dict[Lowering, float]] = []
        for turn in range(WARM_UP + rounds):
            row: dict[Lowering, float] = {}
            for lowering in rotated(LOWERINGS, turn):
                start = clock()
                runners[lowering](image)
                row[lowering] = clock() - start
            rows.append(row)
    rows = rows[WARM_UP:]
    seconds = {lowering: statistics.median(row[lowering] for row in rows) for lowering in LOWERINGS}
    ratio = {lowering: statistics.median(row[lowering] / row["pad"] for row in rows) for lowering in LOWERINGS}
    return Timing(seconds, ratio)


def rotated(items: Sequence[T], turn: int) -> list[T]:
    """``items``, beginning with another one each turn."""
    first = turn % len(items)
    return [*items[first:], *items[:first]]
