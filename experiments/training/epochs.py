"""What every training here notes of an epoch: losses, learning rate, seconds; and its rows of ``metrics.csv``."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from experiments.data.streams import BatchStream
from nas_space.errors import InputError
from strategies.distributed import average

Rows = list[dict[str, Any]]


@dataclass(eq=False, repr=False, kw_only=True)
class EpochMonitor(Callback):
    """Sets the streams to every epoch, and notes its losses, its learning rate (``lr``) and its time.

    Losses stay on their device until the epoch ends: no step waits for a GPU.

    Args:
        streams: training batches; told the epoch, so that a resumed training sees the same ones.
        hint: ends the message about a loss that is not finite.
        first: epochs before this training's first one.
        rows: those of the run before this training.
        on_rows: called with all rows of the run, after every new one.
    """

    streams: Sequence[BatchStream]
    hint: str = ": lower train.lr"
    first: int = 0
    rows: Rows = field(default_factory=list)
    on_rows: Callable[[Rows], None] | None = None
    lr: float = field(default=math.nan, init=False)
    _losses: list[Tensor] = field(default_factory=list, init=False)
    _start: float = field(default=0.0, init=False)

    @property
    def seconds(self) -> float:
        """Time since the epoch began."""
        return time.perf_counter() - self._start

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for stream in self.streams:
            stream.set_epoch(self.first + trainer.current_epoch)
        self._losses = []
        self.lr = learning_rate(trainer)  # at an epoch's end it may be the next one's already
        self._start = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *rest: Any) -> None:
        self._losses.append(self.batch_losses(outputs))

    def batch_losses(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """What a step adds to the epoch's losses: a scalar, or several in a row."""
        return outputs["loss"].detach()

    def mean_losses(self, trainer: Trainer) -> list[float]:
        """The epoch's losses so far, each the mean over its batches and over all devices.

        Raises:
            InputError: one of them is not finite, on whatever device.
        """
        losses = average(torch.stack(self._losses).double().mean(0)).reshape(-1).tolist()
        for loss in losses:
            if not math.isfinite(loss):
                epoch = self.first + trainer.current_epoch + 1
                raise InputError(f"the loss became {loss} in epoch {epoch}{self.hint}")
        return losses

    def add_row(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Keep the epoch's row, and log its numbers."""
        self.rows.append(row)
        if trainer.logger is not None:
            numbers = {key: row[key] for key in row if key != "epoch" and isinstance(row[key], int | float)}
            trainer.logger.log_metrics(numbers, step=row["epoch"])
        if self.on_rows is not None:
            self.on_rows(self.rows)


def learning_rate(trainer: Trainer) -> float:
    """The learning rate of the weights, as it is now."""
    return float(trainer.optimizers[0].param_groups[0]["lr"])
