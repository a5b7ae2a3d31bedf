"""How much of the training time goes into loading data: the same loop also runs on one constant batch."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, repeat
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.utils.data import IterableDataset

from experiments.data.streams import BatchStream
from experiments.runs.measure import now
from experiments.training.retrain import Prepared
from experiments.training.trainer import make_trainer


class Alternating(IterableDataset[tuple[Tensor, Tensor]]):
    """The stream's batches in even epochs, its first batch again and again in odd ones.

    Args:
        stream: training batches.
        steps: batches per epoch; the stream begins again as often as it must.
    """

    def __init__(self, stream: BatchStream, steps: int) -> None:
        super().__init__()
        self.stream = stream
        self.steps = steps
        self.epoch = 0
        self.constant = next(iter(stream))

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from islice(repeat(self.constant) if self.epoch % 2 else self._endless(), self.steps)

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            self.stream.set_epoch(self.stream.epoch + 1)
            yield from self.stream


@dataclass(eq=False, repr=False)
class EpochTimes(Callback):
    """Seconds of every epoch, from before its first batch is made until its last step is done."""

    batches: Alternating
    device: str
    seconds: list[float] = field(default_factory=list, init=False)
    _start: float = field(default=0.0, init=False)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.batches.epoch = trainer.current_epoch
        self._start = now(self.device)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seconds.append(now(self.device) - self._start)


def training_throughput(
    prepared: Prepared, device: str, precision: str, steps: int, rounds: int, folder: Path
) -> dict[str, Any]:
    """Train with real and with constant batches by turns, in one run, with one network and one trainer.

    Args:
        prepared: what is trained, and its batches.
        device: ``cpu`` or ``cuda``.
        precision: Lightning's name.
        steps: batches a turn.
        rounds: turns of each kind that count; one of each goes before them to warm up.
        folder: for the trainer's own files.

    Returns:
        ``ratio`` (median over the rounds of the speed with real batches over that with a constant one), its
        ``ratio_spread`` (lowest and highest), ``batch_s`` and ``constant_batch_s`` (medians, seconds per batch).
    """
    batches = Alternating(prepared.stream, steps)
    times = EpochTimes(batches, device)
    trainer = make_trainer(folder, 2 * (rounds + 1), device, precision, [*prepared.callbacks, times])
    trainer.fit(prepared.module, batches)
    pairs = list(zip(times.seconds[2::2], times.seconds[3::2], strict=True))
    ratios = [constant / real for real, constant in pairs]
    return {
        "ratio": statistics.median(ratios),
        "ratio_spread": [min(ratios), max(ratios)],
        "batch_s": statistics.median(real for real, _ in pairs) / steps,
        "constant_batch_s": statistics.median(constant for _, constant in pairs) / steps,
    }
