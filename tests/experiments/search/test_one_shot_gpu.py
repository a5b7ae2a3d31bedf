"""What a search promises on a GPU; needs one."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from experiments.benchmark.search.child import Problem
from experiments.benchmark.search.side import FixedBatches, search
from experiments.benchmark.search.survivors import random_survivors
from nas_space.config import SpaceConfig
from strategies.recording import Recorder

STEPS = 6


class NoSynchronisation(Callback):
    """Every step after the first two must leave the host free."""

    steps = 0

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        torch.cuda.set_sync_debug_mode("error" if batch_idx >= 2 else "default")

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        torch.cuda.set_sync_debug_mode("default")
        self.steps += 1
        trainer.should_stop = batch_idx + 1 == STEPS


class Losses(Callback):
    """Keeps the losses, and shrinks the space on the way."""

    def __init__(self) -> None:
        self.losses: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses += [outputs["loss"].clone(), outputs["loss_a"].clone()]
        if batch_idx + 1 == STEPS:
            pl_module.apply_alive(random_survivors(SpaceConfig.compact(), 0.3, 0).to(pl_module.device))
        trainer.should_stop = batch_idx + 1 == 2 * STEPS


def plainly(recorder: Recorder, kind: Any, step: Any, batch: Any, parameters: Any) -> torch.Tensor:
    """A step without its recording."""
    for parameter in parameters:
        parameter.grad = None
    loss: torch.Tensor = step(batch)
    return loss


def run(precision: str, callback: Callback) -> None:
    problem = Problem(SpaceConfig.compact(), (64, 128), 2, 5, precision, "cuda", 0)
    streams = (FixedBatches(problem, 0, "channels_last"), FixedBatches(problem, 1, "channels_last"))
    search("ours", problem, "channels_last", streams, callback)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("recorded", [True, False], ids=("recorded", "plain"))
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_no_step_synchronises(precision: str, recorded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    callback = NoSynchronisation()
    if not recorded:
        monkeypatch.setattr(Recorder, "gradient", plainly)
    try:
        run(precision, callback)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert callback.steps == STEPS


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("32", 1e-3), ("bf16", 2e-2)])
def test_what_is_replayed_is_what_a_step_does(
    precision: str, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses of a search, before and after a shrink."""
    recorded, plain = Losses(), Losses()
    run(precision, recorded)
    monkeypatch.setattr(Recorder, "gradient", plainly)
    run(precision, plain)
    assert len(recorded.losses) == len(plain.losses) == 4 * STEPS
    torch.testing.assert_close(torch.stack(recorded.losses), torch.stack(plain.losses), rtol=tolerance, atol=tolerance)
    assert float(torch.stack(plain.losses)[::2].std()) > 5 * tolerance  # the weights have learned meanwhile
