"""A Lightning callback: a training computes with the number of threads that is fastest."""

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from experiments.runs.threads import Threads


class RefreshThreads(Callback):
    """Lets ``threads`` be measured again between two steps."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        self._threads.refresh()
