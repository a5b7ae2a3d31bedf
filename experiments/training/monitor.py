"""What a training from scratch reports after every epoch, and when it ends early; the only place that sees the validation set."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from experiments.data.streams import BatchStream, mix_seeds
from experiments.metrics.evaluation import Scores, evaluate
from experiments.training.recipe import Stage
from nas_space.errors import InputError


class RetrainMonitor(Callback):
    """Fills ``rows``, one an epoch; validates in up to ten epochs of the stage, evenly spaced, of which the last is one.

    Args:
        stage: which part of the training this is.
        stream: training batches; told the epoch so that a resumed run sees the same ones.
        validation: the validation stream.
        model: the network that is validated, the moving average where there is one.
        num_classes: number of classes.
        seed: of the run; whatever random numbers a network draws depend on seed and epoch alone.
        patience: epochs without a better mIoU after which the stage ends; 0 for never.
        options: what the run was asked for, plain values; kept in the checkpoint, so that a resume can compare.
        rows: those of the stages before.
        keep: told to store the network, whenever a validation is the stage's best.
        written: told the rows of the run so far, after every epoch.
    """

    def __init__(
        self,
        stage: Stage,
        stream: BatchStream,
        validation: BatchStream,
        model: nn.Module,
        num_classes: int,
        seed: int,
        patience: int,
        options: dict[str, Any],
        rows: list[dict[str, Any]],
        keep: Callable[[], None],
        written: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        self.stage = stage
        self.stream = stream
        self.validation = validation
        self.model = model
        self.num_classes = num_classes
        self.seed = seed
        self.patience = patience
        self.options = options
        self.rows = list(rows)
        self.keep = keep
        self.written = written
        self.best: dict[str, Any] | None = None
        self.stopped = False
        self._losses: list[Tensor] = []
        self._start = self._lr = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A stage that had ended early before it was resumed has ended."""
        trainer.should_stop = self.stopped

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set stream and random numbers to this epoch."""
        epoch = self.stage.first + trainer.current_epoch
        self.stream.set_epoch(epoch)
        torch.manual_seed(mix_seeds(self.seed, epoch))
        self._losses, self._lr = [], trainer.optimizers[0].param_groups[0]["lr"]
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the loss, on its device."""
        self._losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row.

        Raises:
            InputError: the training loss is not finite, on whatever device.
        """
        done, epoch = trainer.current_epoch + 1, self.stage.first + trainer.current_epoch + 1
        loss = float(torch.stack(self._losses).double().mean())
        if not math.isfinite(loss):
            raise InputError(f"the loss became {loss} in epoch {epoch}: lower train.lr")
        row: dict[str, Any] = {"epoch": epoch, "stage": self.stage.name, "loss_w": loss, "val_loss": None, "miou": None}
        row |= {"lr": self._lr, "seconds": time.perf_counter() - self._start}
        if done % -(-self.stage.epochs // 10) == 0 or done == self.stage.epochs:
            self._validate(trainer, pl_module, row)
        row["seconds_validation"] = time.perf_counter() - self._start - row["seconds"]
        self.rows.append(row)
        self.written(self.rows)
        if trainer.logger is not None:
            figures = {key: value for key, value in row.items() if isinstance(value, float)}
            trainer.logger.log_metrics(figures, step=epoch)

    def _validate(self, trainer: Trainer, pl_module: LightningModule, row: dict[str, Any]) -> None:
        scores = self.scores(pl_module)
        row |= {"val_loss": scores.loss, "miou": scores.miou}
        if self.best is None or scores.miou > self.best["miou"]:
            self.best = {"epoch": row["epoch"], "miou": scores.miou}
            self.keep()
        elif self.patience and row["epoch"] - self.best["epoch"] >= self.patience:
            self.stopped = trainer.should_stop = True

    def scores(self, module: Any) -> Scores:
        """Of the validated network, on whole images at the labels' size in memory."""
        return evaluate(self.model, self.validation, module.loss, self.num_classes)

    def figures(self) -> dict[str, str]:
        """What the progress bar shows."""
        validated = [row["miou"] for row in self.rows if row["miou"] is not None]
        return {"mIoU": f"{100 * validated[-1]:.1f}"} if validated else {}

    def state_dict(self) -> dict[str, Any]:
        """Where the run is, for the checkpoint."""
        state = {"stage": self.stage.name, "rows": self.rows, "best": self.best, "stopped": self.stopped}
        return {**state, "options": self.options}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Where the resumed run was."""
        self.rows, self.best, self.stopped = list(state_dict["rows"]), state_dict["best"], state_dict["stopped"]
