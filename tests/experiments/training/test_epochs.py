"""What is noted of an epoch: mean losses, learning rate, seconds, rows."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from experiments.training.epochs import EpochMonitor, Rows
from nas_space.errors import InputError


class Stream:
    epoch = -1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


class Logger:
    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.logged.append((step, metrics))


def trainer(epoch: int, lr: float = 0.1) -> Any:
    optimizer = SimpleNamespace(param_groups=[{"lr": lr}])
    return SimpleNamespace(current_epoch=epoch, optimizers=[optimizer], logger=Logger())


def monitor(**changes: Any) -> tuple[EpochMonitor, Stream]:
    stream = Stream()
    return EpochMonitor(streams=[stream], **changes), stream  # type: ignore[list-item]


def test_an_epoch_has_its_own_losses() -> None:
    watcher, stream = monitor(first=5)
    for epoch, losses in enumerate([(1.0, 2.0), (3.0, 6.0, 9.0)]):
        at = trainer(epoch, lr=0.1 / (epoch + 1))
        watcher.on_train_epoch_start(at, None)  # type: ignore[arg-type]
        at.optimizers[0].param_groups[0]["lr"] = 0.0  # the next epoch's, as a scheduler sets it
        for loss in losses:
            watcher.on_train_batch_end(at, None, {"loss": torch.tensor(loss)}, None, 0)  # type: ignore[arg-type]
        assert watcher.mean_losses(at) == [sum(losses) / len(losses)]
        assert stream.epoch == 5 + epoch and watcher.lr == 0.1 / (epoch + 1) and watcher.seconds >= 0


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_named_with_its_epoch(loss: float) -> None:
    watcher, _ = monitor(first=5, hint=" of a network: lower train.lr")
    watcher.on_train_epoch_start(trainer(1), None)  # type: ignore[arg-type]
    for value in (1.0, loss):
        watcher.on_train_batch_end(trainer(1), None, {"loss": torch.tensor(value)}, None, 0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"the loss became {loss} in epoch 7 of a network: lower train.lr"):
        watcher.mean_losses(trainer(1))


def test_a_row_is_kept_logged_and_passed_on() -> None:
    seen: list[Rows] = []
    watcher, _ = monitor(rows=[{"epoch": 1}], on_rows=lambda rows: seen.append(list(rows)))
    at, row = trainer(1), {"epoch": 2, "stage": "encoder", "miou": None, "alive": 3, "loss_w": 0.5}
    watcher.add_row(at, row)
    assert seen == [[{"epoch": 1}, row]] and at.logger.logged == [(2, {"alive": 3, "loss_w": 0.5})]
