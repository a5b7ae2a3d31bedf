"""One way to make a Lightning trainer, for searches and for retraining."""

from pathlib import Path
from typing import Any

from nni.nas.evaluator.pytorch import Trainer
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from experiments.runs.threads import Threads
from experiments.training.checkpoints import AtomicCheckpointIO
from experiments.training.lightning import DataParallel, silence_lightning
from experiments.training.logger import Curves
from experiments.training.threads import RefreshThreads


def make_trainer(
    run: Path,
    epochs: int,
    device: str,
    precision: str,
    callbacks: list[Callback],
    devices: int = 1,
    checkpoint: Path | None = None,
    threads: Threads | None = None,
    logger: str = "tensorboard",
) -> Any:
    """A trainer that logs into the run's folder and keeps ``run/checkpoints/last.ckpt``; silent but for our own bar.

    Args:
        run: the run's folder.
        epochs: passes over the data.
        device: ``cpu`` or ``cuda``.
        precision: Lightning's name.
        callbacks: of this process.
        devices: processes, each on a device of its own.
        checkpoint: what the others of several processes go on from.
        threads: measured again between two steps; None for those that torch has.
        logger: where the curves go, a name of ``experiments.options.loggers``.
    """
    silence_lightning()
    folder = run / "checkpoints"
    last = ModelCheckpoint(folder, "last", every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False)
    return Trainer(
        max_epochs=epochs,
        accelerator=device if device == "cpu" else "gpu",
        devices=devices,
        strategy=DataParallel(run, checkpoint) if devices > 1 else "auto",
        precision=precision,
        callbacks=[*([RefreshThreads(threads)] if threads else []), *callbacks, last],
        logger=Curves(run, logger),
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        log_every_n_steps=1_000_000,  # figures are logged once per epoch, by our callbacks
    )
