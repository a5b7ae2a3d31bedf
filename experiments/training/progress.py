"""One progress bar for a whole training run, with the remaining time and the last epoch's figures."""

from collections.abc import Callable

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from tqdm import tqdm


class RunProgress(Callback):
    """A bar over all batches of all epochs.

    Args:
        figures: what to show behind the bar; asked at the start and after every epoch.
        title: what stands before the bar.
    """

    def __init__(self, figures: Callable[[], dict[str, str]], title: str) -> None:
        self.figures = figures
        self.title = title
        self._bar: tqdm | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar where a resumed run left off."""
        batches = int(trainer.num_training_batches)
        self._bar = tqdm(total=batches * (trainer.max_epochs or 0), initial=batches * trainer.current_epoch, desc=self.title, unit="batch")
        self._bar.set_postfix(self.figures())

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int) -> None:
        """Advance."""
        assert self._bar is not None
        self._bar.update()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the epoch's figures."""
        assert self._bar is not None
        self._bar.set_postfix(self.figures())

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar, so that the error gets a line of its own."""
        if self._bar is not None:
            self._bar.close()
