"""Checkpoints that are whole or absent: written beside their name, then renamed."""

import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from experiments.options.groups import comparable
from experiments.runs.files import named
from nas_space.errors import InputError
from nas_space.memory import free_memory


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files: replaced in one step, and read as tensors and plain values alone."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.tmp")  # always the same: a kill leaves one file at most
        try:
            with named(target), temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint.

        Raises:
            InputError: the file is damaged, no checkpoint, or larger than the free memory; the message names it.
        """
        _check_size(Path(path))
        try:
            checkpoint = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        except Exception as error:  # torch raises a dozen kinds for a damaged file
            what = f"not a checkpoint of a search, or damaged ({type(error).__name__})"
            raise InputError(f"{path}: {what}; remove it to start again") from None
        if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
            raise InputError(f"{path}: not a checkpoint of this toolkit; remove it to start again")
        return checkpoint


def _check_size(path: Path) -> None:
    """Refuse a checkpoint that claims more than the free memory; a damaged file is left to whoever reads it."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        size = path.stat().st_size if path.is_file() else 0
    free = free_memory()
    if size > free:
        sizes = f"{size / 1e9:,.1f} GB do not fit into memory, {free / 1e9:,.1f} GB are free"
        raise InputError(f"{path}: {sizes}; remove it to start again")


VERSION = "pytorch-lightning_version"
PARTS = {"state_dict": dict, "loops": dict, "callbacks": dict, "optimizer_states": list, "lr_schedulers": list}
"""What Lightning goes on from, beside its version."""


def monitor_state(checkpoint: dict[str, Any], monitor: str) -> dict[str, Any] | None:
    """What a monitor has left in a checkpoint, its ``options`` among it; None where this is no checkpoint of it."""
    whole = all(isinstance(checkpoint.get(key), kind) for key, kind in {**PARTS, VERSION: str}.items())
    state = checkpoint["callbacks"].get(monitor) if whole else None
    return state if isinstance(state, dict) and isinstance(state.get("options"), dict) else None


def resumed_state(path: Path, monitor: str, options: dict[str, Any], kind: str) -> dict[str, Any]:
    """What the monitor left in a checkpoint of the very run that ``options`` describe.

    Args:
        path: the checkpoint.
        monitor: class of the monitor.
        options: plain values, as the monitor keeps them. Devices, threads, precision and logger may have
            changed.
        kind: ``search`` or ``training``.

    Raises:
        InputError: the file is damaged or of something else, or an option has changed since.
    """
    checkpoint = AtomicCheckpointIO().load_checkpoint(path)
    state = monitor_state(checkpoint, monitor)
    if state is None or (kind == "search" and not isinstance(checkpoint.get("search"), dict)):
        raise InputError(f"{path}: not a checkpoint of this {kind}; remove it to start again")
    free = ("device", "devices", "precision", "threads", "logger")
    before, now = comparable(state["options"]), comparable(options)
    changed = [key for key in now if key not in free and before.get(key) != now[key]]
    if changed:
        what = "the network" if changed[0] == "ssr-nas" else f"config.yml: {changed[0]}"
        fix = "put it back, or remove the checkpoint to start again"
        raise InputError(f"{what} is not what {path} was made with; {fix}")
    return state
