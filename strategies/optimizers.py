"""What an evaluator of Lightning may return as optimisers and schedules, and what a search makes of it."""

from typing import Any

from pytorch_lightning import Trainer
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from nas_space.errors import InputError


def weights_alone(configured: Any, logits: set[nn.Parameter]) -> Any:
    """What ``configure_optimizers`` returned, its one optimiser without the architecture parameters.

    Args:
        configured: any form that Lightning takes.
        logits: the architecture parameters.

    Raises:
        InputError: several optimisers, or none.
    """
    found = list(_optimizers(configured))
    if len(found) != 1:
        raise InputError(
            f"evaluator: a search wants one optimiser of the weights, configure_optimizers gives {len(found)}"
        )
    for group in found[0].param_groups:
        group["params"] = [parameter for parameter in group["params"] if parameter not in logits]
    return configured


def _optimizers(configured: Any) -> list[Optimizer]:
    if isinstance(configured, Optimizer):
        return [configured]
    if isinstance(configured, dict):
        return _optimizers(configured.get("optimizer"))
    if isinstance(configured, list | tuple):
        return [optimizer for part in configured for optimizer in _optimizers(part)]
    return []


def advance_schedules(trainer: Trainer, interval: str, finished: int) -> None:
    """Move the learning rates' schedules on: Lightning leaves that to a module that optimises by itself.

    Args:
        trainer: of the search.
        interval: ``step`` or ``epoch``.
        finished: of these, in this epoch or in all.

    Raises:
        InputError: a schedule that wants a metric, which a search does not have.
    """
    for config in trainer.lr_scheduler_configs:
        if isinstance(config.scheduler, ReduceLROnPlateau):
            raise InputError("evaluator: ReduceLROnPlateau waits for a metric of a validation; use another schedule")
        if config.interval == interval and finished % config.frequency == 0:
            config.scheduler.step()
