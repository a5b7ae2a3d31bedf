"""Training one network from scratch with one fixed recipe: found networks and references alike."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from experiments.config import DataOptions, TrainOptions, check_seed, parse_size
from experiments.data import SegmentationData
from experiments.data.frequency import class_weights
from experiments.data.streams import WEIGHTS, BatchStream, val_stream
from experiments.data.transforms import downsample_labels
from experiments.environment import device_name, peak_memory_mb, versions
from experiments.model_file import ModelInfo, save_model
from experiments.runs import write_json, write_metrics
from experiments.training.evaluation import Scores, evaluate
from experiments.training.module import SegmentationModule
from experiments.training.progress import RunProgress
from experiments.training.trainer import make_trainer, resolve_device, resolve_precision
from nas_space.architecture import Architecture
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork


@dataclass
class RetrainOptions:
    """Everything that decides a retraining's result, besides the architecture.

    Args:
        epochs: passes over the training set.
        seed: of weights and batches.
        device: auto, cpu or cuda.
        precision: 32 or bf16.
        data: what to train on.
        train: how the weights are trained.
    """

    epochs: int = 30
    seed: int = 0
    device: str = "auto"
    precision: str = "32"
    data: DataOptions = field(default_factory=DataOptions)
    train: TrainOptions = field(default_factory=TrainOptions)

    def check(self) -> None:
        """Everything that can be wrong without reading data.

        Raises:
            InputError: the key, and what it should be.
        """
        self.train.check()
        parse_size(self.data.size)
        if self.data.batch < 2:
            raise InputError(f"data.batch: {self.data.batch} must be at least 2 (batch normalisation)")
        if self.epochs < 1:
            raise InputError(f"epochs: {self.epochs} must be at least 1")
        check_seed(self.seed)
        resolve_device(self.device)
        resolve_precision(self.precision)


class RetrainMonitor(Callback):
    """Validates after every epoch and keeps ``metrics.csv``; the only place that sees the validation set."""

    def __init__(self, stream: BatchStream, validation: BatchStream, num_classes: int, run: Path, every: int) -> None:
        self.stream = stream
        self.validation = validation
        self.num_classes = num_classes
        self.run = run
        self.every = every
        self.rows: list[dict[str, Any]] = []
        self.scores: Scores | None = None
        self._losses: list[Tensor] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the stream to this epoch."""
        self.stream.set_epoch(trainer.current_epoch)
        self._losses = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Keep the loss, on its device."""
        self._losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a row every ``every`` epochs and at the end."""
        epoch = trainer.current_epoch + 1
        if epoch % self.every and epoch != trainer.max_epochs:
            return
        assert isinstance(pl_module, SegmentationModule)
        scores = evaluate(pl_module.model, self.validation, pl_module.loss, self.num_classes)
        self.scores = scores
        row = {"epoch": epoch, "loss_w": float(torch.stack(self._losses).double().mean()), "val_loss": scores.loss, "miou": scores.miou}
        self.rows.append(row)
        write_metrics(self.run, self.rows)
        if trainer.logger is not None:
            trainer.logger.log_metrics({key: value for key, value in row.items() if key != "epoch"}, step=epoch)


def retrain(architecture: Architecture, options: RetrainOptions, data: SegmentationData, run: Path) -> dict[str, Any]:
    """Train from scratch (encoder head, labels at 1/8) and write the run's files.

    Args:
        architecture: the network.
        options: checked options.
        data: the data set that they name.
        run: the run's folder, existing.

    Returns:
        The content of ``retrain.json``: ``miou`` after the last epoch (not the best one), in [0, 1].
    """
    pl.seed_everything(options.seed, verbose=False)
    device, classes = resolve_device(options.device), len(data.classes)
    train, val = data.train.to(device), data.val.to(device)
    network = SegmentationNetwork(architecture, classes).to(memory_format=torch.channels_last)
    module = SegmentationModule(options.train, options.epochs, class_weights(downsample_labels(train.labels), classes).cpu())
    module.set_model(network)
    stream = BatchStream(train, options.data.batch, options.seed, WEIGHTS)
    monitor = RetrainMonitor(stream, val_stream(val, options.data.batch, label_stride=1), classes, run, every=max(1, options.epochs // 10))

    def figures() -> dict[str, str]:
        return {"mIoU": f"{100 * monitor.rows[-1]['miou']:.1f}"} if monitor.rows else {}

    trainer = make_trainer(run, options.epochs, device, resolve_precision(options.precision), [monitor, RunProgress(figures, "retrain")])
    trainer.fit(module, stream)
    scores, size = monitor.scores, parse_size(options.data.size)
    assert scores is not None
    summary = {
        "seed": options.seed,
        "dataset": data.name,
        "epochs": options.epochs,
        "miou": scores.miou,
        "per_class": dict(zip(data.classes, scores.per_class, strict=True)),
        "pixel_accuracy": scores.pixel_accuracy,
        "loss": scores.loss,
        "resolution": options.data.size,
        "cost": {**asdict(cost(architecture, size, classes)), "size": options.data.size},
        "peak_memory_mb": peak_memory_mb(device),
        "versions": versions(),
        "device": device_name(device),
    }
    save_model(run, network, ModelInfo(architecture, "encoder", data.classes, data.colours, size, data.name))
    write_json(run / "retrain.json", summary)
    return summary
