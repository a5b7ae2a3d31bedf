"""What a training from scratch reports after every epoch, and when it ends early; it alone sees the validation set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pytorch_lightning import LightningModule, Trainer
from torch import nn

from experiments.data.streams import BatchStream, mix_seeds
from experiments.metrics.evaluation import Scores, evaluate
from experiments.runs.decoration import decoration
from experiments.training.epochs import EpochMonitor
from experiments.training.logger import Curves
from experiments.training.recipe import Stage

Draw = Callable[[nn.Module], npt.NDArray[np.uint8]]
"""From a network to a picture ``(H, W, 3)`` of what it sees."""


@dataclass(eq=False, repr=False, kw_only=True)
class RetrainMonitor(EpochMonitor):
    """Adds a row for each epoch; validates in up to ten epochs of the stage, evenly spaced, of which the last is one.

    Args:
        stage: which part of the training this is.
        validation: the validation stream.
        model: the network that is validated, the moving average where there is one.
        num_classes: number of classes.
        seed: of the run; whatever random numbers a network draws depend on seed and epoch alone.
        patience: epochs without a better mIoU after which the stage ends; 0 for never.
        options: of the run, plain values; kept in the checkpoint, so that a resume can compare.
        save_best: called to store the network, whenever a validation is the stage's best.
        draw: makes a picture for the logger, at each validation; None for none.
    """

    stage: Stage
    validation: BatchStream
    model: nn.Module
    num_classes: int
    seed: int
    patience: int
    options: dict[str, Any]
    save_best: Callable[[], None]
    draw: Draw | None = None
    best: dict[str, Any] | None = field(default=None, init=False)
    stopped: bool = field(default=False, init=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = self.stopped  # a stage that had ended early before it was resumed has ended

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_epoch_start(trainer, pl_module)
        torch.manual_seed(mix_seeds(self.seed, self.first + trainer.current_epoch))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        (loss,) = self.mean_losses(trainer)
        done = trainer.current_epoch + 1
        row: dict[str, Any] = {"epoch": self.first + done, "stage": self.stage.name, "loss_w": loss}
        row |= {"val_loss": None, "miou": None, "lr": self.lr, "seconds": self.seconds}
        if done % -(-self.stage.epochs // 10) == 0 or done == self.stage.epochs:
            self._validate(trainer, pl_module, row)
        row["seconds_validation"] = self.seconds - row["seconds"]
        self.add_row(trainer, row)

    def _validate(self, trainer: Trainer, pl_module: LightningModule, row: dict[str, Any]) -> None:
        scores = self.scores(pl_module)
        row |= {"val_loss": scores.loss, "miou": scores.miou}
        if self.draw is not None and isinstance(trainer.logger, Curves):
            with decoration("a picture of the validation images"):
                trainer.logger.log_picture("validation", self.draw(self.model), row["epoch"])
        if self.best is None or scores.miou > self.best["miou"]:
            self.best = {"epoch": row["epoch"], "miou": scores.miou}
            self.save_best()
        elif self.patience and row["epoch"] - self.best["epoch"] >= self.patience:
            self.stopped = trainer.should_stop = True

    def scores(self, module: Any) -> Scores:
        """Of the validated network, on whole images at the labels' size in memory."""
        return evaluate(self.model, self.validation, module.loss, self.num_classes)

    def status(self) -> dict[str, str]:
        """What the progress bar shows."""
        validated = [row["miou"] for row in self.rows if row["miou"] is not None]
        return {f"mIoU at {self.validation.resolution}": f"{100 * validated[-1]:.1f}"} if validated else {}

    def state_dict(self) -> dict[str, Any]:
        state = {"stage": self.stage.name, "rows": self.rows, "best": self.best, "stopped": self.stopped}
        return {**state, "options": self.options}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.best, self.stopped = list(state_dict["rows"]), state_dict["best"], state_dict["stopped"]
