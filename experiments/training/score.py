"""The score of one network, for those who train many: what ``retrain`` would tell, and no file."""

from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

from experiments.data.streams import mix_seeds, val_stream
from experiments.metrics.evaluation import Scores, evaluate
from experiments.options.device import resolve_precision
from experiments.training.epochs import EpochMonitor
from experiments.training.retrain import Retraining
from experiments.training.trainer import make_trainer


@dataclass(eq=False, repr=False, kw_only=True)
class _Epochs(EpochMonitor):
    """Begins every epoch as ``RetrainMonitor`` does, and checks its losses."""

    seed: int

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_epoch_start(trainer, pl_module)
        torch.manual_seed(mix_seeds(self.seed, self.first + trainer.current_epoch))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.mean_losses(trainer)


def train_and_score(training: Retraining) -> Scores:
    """Train all stages, and score the network after the last epoch on the validation set; nothing is written.

    Args:
        training: whose options have no ``train.patience``, which needs a validation on the way. Its folder is not used.

    Returns:
        With the same options and number of threads, the scores in ``retrain.json``, bit for bit on a CPU.

    Raises:
        InputError: a loss is not finite.
    """
    options = training.options
    network: nn.Module | None = None
    for stage in training.stages:
        prepared = training.prepare(stage, network)
        epochs = _Epochs(streams=[prepared.stream], first=stage.first, seed=options.seed)
        precision = resolve_precision(options.precision)
        callbacks = [*prepared.callbacks, epochs]
        trainer = make_trainer(training.run, stage.epochs, training.device, precision, callbacks)
        trainer.callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, ModelCheckpoint)]
        trainer.logger = None
        trainer.fit(prepared.module, prepared.stream)
        network = prepared.model.to(training.device)  # Lightning leaves it on the CPU
    assert network is not None
    validation = val_stream(training.val, options.data.batch, label_stride=1)
    return evaluate(network, validation, prepared.module.to(training.device).loss, len(training.info.classes))
