"""Checkpoints that are whole or absent: written beside their name, then renamed."""

import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from nas_space.errors import InputError


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, replaced in one step; read without unpickling anything but tensors and plain values."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write ``path`` by way of a temporary file in the same folder."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(
            f".{target.name}.tmp"
        )  # one name: a kill leaves one file at most, and the next write takes it
        try:
            with temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint.

        Raises:
            InputError: the file is damaged or no checkpoint; the message names it.
        """
        try:
            checkpoint = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        except Exception as error:  # torch raises a dozen kinds for a damaged file
            raise InputError(
                f"{path}: not a checkpoint of a search, or damaged ({type(error).__name__}); remove it to start again"
            ) from None
        if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
            raise InputError(f"{path}: not a checkpoint of this toolkit; remove it to start again")
        return checkpoint


PARTS = {"state_dict": dict, "loops": dict, "callbacks": dict, "optimizer_states": list, "lr_schedulers": list}
"""What Lightning goes on from, beside its version."""


def monitor_state(checkpoint: dict[str, Any], monitor: str) -> dict[str, Any] | None:
    """What a monitor has left in the checkpoint of a training, its ``options`` among it; None where this is no such checkpoint."""
    whole = all(
        isinstance(checkpoint.get(key), kind) for key, kind in {**PARTS, "pytorch-lightning_version": str}.items()
    )
    state = checkpoint["callbacks"].get(monitor) if whole else None
    return state if isinstance(state, dict) and isinstance(state.get("options"), dict) else None


def last_checkpoint(folder: Path) -> ModelCheckpoint:
    """Keep ``folder/last.ckpt``, written at the end of every epoch."""
    return ModelCheckpoint(
        dirpath=folder,
        filename="last",
        save_top_k=1,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
