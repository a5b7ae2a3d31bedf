"""TensorBoard's curves, which no result depends on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger

from experiments.runs.decoration import tell_loss


class Curves(TensorBoardLogger):
    """Writes ``run/tensorboard``; the first failure, such as that of a full disk, is told, and nothing more is written.

    Args:
        run: the run's folder.
    """

    def __init__(self, run: Path) -> None:
        super().__init__(str(run), name="", version="tensorboard")
        self._failed = False

    @property
    def experiment(self) -> Any:
        """TensorBoard's writer; None where it cannot be made."""
        try:
            return None if self._failed else super().experiment
        except Exception as error:
            self._tell(error)
            return None

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._try("log_metrics", metrics, step)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        self._try("log_hyperparams", *args, **kwargs)

    def log_graph(self, *args: Any, **kwargs: Any) -> None:
        self._try("log_graph", *args, **kwargs)

    def save(self) -> None:
        self._try("save")

    def finalize(self, status: str) -> None:
        self._try("finalize", status)

    def _try(self, method: str, *args: Any, **kwargs: Any) -> None:
        if self._failed:
            return
        try:
            getattr(super(), method)(*args, **kwargs)
        except Exception as error:  # of a disk, of TensorBoard, of its writer's thread
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            tell_loss(f"the curves in {self.log_dir}", error)
