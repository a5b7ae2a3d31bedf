"""Progress of a whole training run: a bar with the remaining time in a terminal, a line per epoch in a log."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from tqdm import tqdm


@dataclass(eq=False, repr=False)
class RunProgress(Callback):
    """A bar over all batches of all epochs; where standard error is no terminal, a line per epoch instead.

    Args:
        status: what to show behind the bar; asked at the start and after every epoch.
        title: what stands before the bar.
    """

    status: Callable[[], dict[str, str]]
    title: str
    _bar: "tqdm | None" = field(default=None, init=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        batches = int(trainer.num_training_batches)
        total, done = batches * (trainer.max_epochs or 0), batches * trainer.current_epoch
        self._bar = tqdm(total=total, initial=done, desc=self.title, unit="batch", disable=None)
        self._bar.set_postfix(self.status())

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: object, *rest: object) -> None:
        assert self._bar is not None
        self._bar.update()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self._bar is not None
        if not self._bar.disable:
            self._bar.set_postfix(self.status())
            return
        status = ", ".join(f"{name}={value}" for name, value in self.status().items())
        line = f"{self.title}: epoch {trainer.current_epoch + 1} of {trainer.max_epochs}, {status}"
        print(line, file=sys.stderr, flush=True)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()  # the error gets a line of its own

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
