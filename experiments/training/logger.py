"""Where the curves of a training go: TensorBoard, Weights & Biases or MLflow. No result depends on them."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from experiments.options.loggers import PROJECT
from experiments.runs.decoration import tell_loss
from experiments.runs.files import write_json
from experiments.runs.folder import read_config

FILE = "curves.json"
"""In the run's folder: the logger's own name of the run, under which a resumed run goes on."""
PRIVATE = {"WANDB_ERROR_REPORTING": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_MODE": "offline"}
"""Variables that keep the loggers from reporting to their makers, and from uploading; what is set already holds."""


class Curves(Logger):
    """One of Lightning's loggers, made at the first number, in the first of several processes.

    The first failure, such as that of a full disk, is told, and nothing more is written.

    - ``tensorboard`` writes ``run/tensorboard``.
    - ``wandb`` writes ``run/wandb`` and uploads nothing, unless the variable ``WANDB_MODE`` says otherwise.
    - ``mlflow`` writes ``run/mlflow.db``, unless the variable ``MLFLOW_TRACKING_URI`` names another place.

    Args:
        run: the run's folder.
        kind: a name of ``experiments.options.loggers``.
    """

    def __init__(self, run: Path, kind: str = "tensorboard") -> None:
        super().__init__()
        self.run, self.kind = run, kind
        self._inner: Logger | None = None
        self._failed = False

    @property
    def name(self) -> str:
        return self.kind

    @property
    def version(self) -> str:
        return self.run.name

    @property
    def save_dir(self) -> str:
        return str(self.run)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._try("log_metrics", dict(metrics), step)

    def log_picture(self, name: str, picture: npt.NDArray[np.uint8], step: int) -> None:
        """Log RGB ``(H, W, 3)``, to TensorBoard alone: with the others pictures are uploads."""
        if self.kind == "tensorboard":
            self._try("log_picture", name, picture, step)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: a run's options are logged when its logger is made."""

    def save(self) -> None:
        if self._inner is not None:
            self._try("save")

    def finalize(self, status: str) -> None:
        if self._inner is not None:
            self._try("finalize", status)
            if self.kind == "wandb" and not self._failed:
                self._end_wandb(status)

    @rank_zero_only
    def _try(self, method: str, *args: Any) -> None:
        if self._failed:
            return
        try:
            if self._inner is None:
                self._inner = {"tensorboard": self._tensorboard, "wandb": self._wandb, "mlflow": self._mlflow}[
                    self.kind
                ]()
            if method == "log_picture":
                self._inner.experiment.add_image(*args, dataformats="HWC")  # type: ignore[attr-defined]
            else:
                getattr(self._inner, method)(*args)
        except Exception as error:  # of a disk, of the logger, of its writer's thread
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        self._failed = True
        tell_loss(f"the curves in {self.run / self.kind}", error)

    def _tensorboard(self) -> Logger:
        from pytorch_lightning.loggers import TensorBoardLogger

        return TensorBoardLogger(str(self.run), name="", version="tensorboard")

    def _wandb(self) -> Logger:
        os.environ.update(private_environment())
        import wandb
        from pytorch_lightning.loggers import WandbLogger

        # Begun here, for Lightning gives it an argument that it warns of.
        begun = wandb.init(
            project=PROJECT,
            name=self.run.name,
            id=self._known(),
            resume="allow",
            dir=self.run,
            settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True),
        )
        return self._begun(WandbLogger(experiment=begun), str(begun.id))

    def _mlflow(self) -> Logger:
        os.environ.update(private_environment())
        from pytorch_lightning.loggers import MLFlowLogger

        place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(self.run / 'mlflow.db').resolve()}"
        logger = MLFlowLogger(PROJECT, self.run.name, tracking_uri=place, run_id=self._known())
        return self._begun(logger, str(logger.run_id))

    def _known(self) -> str | None:
        """The logger's name of this run, from before it was resumed."""
        file = self.run / FILE
        told = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return str(told["id"]) if told.get("logger") == self.kind else None

    def _begun(self, logger: Logger, name: str) -> Logger:
        """Note the run's name, and log its options."""
        if self._known() != name:
            write_json(self.run / FILE, {"logger": self.kind, "id": name})
            if (self.run / "config.yml").is_file():
                logger.log_hyperparams(read_config(self.run))
        return logger

    def _end_wandb(self, status: str) -> None:
        """Lightning leaves the run open for the next training; ours may be another run's."""
        import wandb

        try:
            wandb.finish(exit_code=0 if status == "success" else 1)
        except Exception as error:
            self._tell(error)
        self._inner = None


def private_environment() -> dict[str, str]:
    """``PRIVATE``, but for what is set already."""
    return {name: value for name, value in PRIVATE.items() if name not in os.environ}
