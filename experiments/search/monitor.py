"""What a search reports after every epoch: validation of super-network and derived network, entropy, survivors, cost."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from experiments.data.streams import BatchStream
from experiments.metrics.evaluation import Scores, evaluate
from experiments.search.state import SearchState
from nas_space.errors import InputError
from nas_space.expected_cost import TabulatedCost
from strategies.alive import LEVELS
from strategies.distributed import average


class SearchMonitor(Callback):
    """Fills ``rows``, one an epoch, before the epoch's shrinking; on several devices in the first process alone.

    This callback is the only place that sees the validation set.

    Args:
        state_of: reads the state of the search from its Lightning module.
        streams: the training streams; told the epoch so that a resumed search sees the same batches.
        validation: the validation stream.
        costs: tables of costs whose expected value is a column of the rows, by the column's name.
        options: what the search was asked for, plain values; kept in the checkpoint, so that a resume can compare.
    """

    def __init__(
        self,
        state_of: Callable[[LightningModule], SearchState],
        streams: tuple[BatchStream, ...],
        validation: BatchStream,
        costs: Mapping[str, TabulatedCost],
        options: dict[str, Any],
    ) -> None:
        self.state_of = state_of
        self.options = options
        self.streams = streams
        self.validation = validation
        self.costs = costs
        self.rows: list[dict[str, Any]] = []
        self.gap_before: dict[str, float] | None = None
        self._losses: list[torch.Tensor] = []
        self._start = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the streams to this epoch."""
        for stream in self.streams:
            stream.set_epoch(trainer.current_epoch)
        self._losses = []
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the losses, on their device."""
        self._losses.append(torch.stack((outputs["loss"].detach(), outputs.get("loss_a", outputs["loss"]).detach())))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row.

        Raises:
            InputError: the training loss is not finite, on whatever device.
        """
        loss_w, loss_a = average(torch.stack(self._losses).double().mean(0)).tolist()
        seconds = time.perf_counter() - self._start
        if not (math.isfinite(loss_w) and math.isfinite(loss_a)):
            raise InputError(
                f"the loss became {loss_w} in epoch {trainer.current_epoch + 1}: lower train.lr or method.lr"
            )
        if not trainer.is_global_zero:
            return
        state = self.state_of(pl_module)
        scores = self.validate(pl_module, state.supernet)
        entropies = state.entropies()
        alive = state.alive.counts()
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch + 1,
            "loss_w": loss_w,
            "loss_a": loss_a,
            "val_loss": scores.loss,
            "miou": scores.miou,
            "entropy": sum(entropies.values()),
            **{f"entropy_{level}": entropies[level] for level in LEVELS},
            **{f"alive_{level}": alive[level] for level in LEVELS},
            **{column: float(table.expected(state.probabilities)) for column, table in self.costs.items()},
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
        }
        if not state.alive.is_discrete():
            derived = self.validate(pl_module, state.derive(state.architecture))
            self.gap_before = {"epoch": row["epoch"], "loss_supernet": scores.loss, "loss_derived": derived.loss}
            self.gap_before |= {"miou_supernet": scores.miou, "miou_derived": derived.miou}
            row["miou_derived"] = derived.miou
        else:
            row["miou_derived"] = scores.miou
        row["seconds"] = seconds
        row["seconds_validation"] = time.perf_counter() - self._start - seconds
        self.rows.append(row)
        if trainer.logger is not None:
            trainer.logger.log_metrics({key: value for key, value in row.items() if key != "epoch"}, step=row["epoch"])

    def validate(self, search: Any, network: torch.nn.Module) -> Scores:
        """Scores of a network on the validation set, at the labels' resolution of the search."""
        module = search.training_module
        return evaluate(network, self.validation, module.loss, module.model.num_classes)

    def state_dict(self) -> dict[str, Any]:
        """Rows so far, for the checkpoint."""
        return {"rows": self.rows, "gap_before": self.gap_before, "options": self.options}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Rows of the search that is resumed."""
        self.rows = list(state_dict["rows"])
        self.gap_before = state_dict["gap_before"]
