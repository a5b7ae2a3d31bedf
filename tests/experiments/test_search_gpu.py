"""What a search promises on a GPU; needs one."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from experiments.benchmark.problem import Problem
from experiments.benchmark.side import FixedBatches, search
from nas_space.config import SpaceConfig

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


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_no_step_synchronises(precision: str) -> None:
    problem = Problem(SpaceConfig.compact(), (64, 128), 2, 5, precision, "cuda", 0)
    streams = (FixedBatches(problem, 0, "channels_last"), FixedBatches(problem, 1, "channels_last"))
    callback = NoSynchronisation()
    try:
        search("ours", problem, "channels_last", streams, callback)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert callback.steps == STEPS
