"""What a search of any NNI space tells after every epoch: to Lightning's logger, and to NNI's web UI from a trial.

A search of a ``JointSpace`` is told about by ``experiments/``, which knows its task.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import nni
import nni.trial
import torch
from nni.runtime.env_vars import trial_env_vars
from nni.runtime.trial_command_channel import get_default_trial_command_channel
from torch import Tensor

from strategies.alive import LEVELS
from strategies.levels import LevelParameters

Listener = Callable[[int, Mapping[str, float]], None]
"""Called after every epoch with its number, from 1 on, and the metrics by name."""


@torch.no_grad()
def search_metrics(parameters: LevelParameters) -> dict[str, float]:
    """Entropy in nats and number of surviving candidates, of all choices and of each level."""
    entropies, alive = parameters.entropies(), parameters.alive.counts()
    values = {f"entropy_{level}": float(entropies[level]) for level in LEVELS}
    values |= {f"alive_{level}": float(alive[level]) for level in LEVELS}
    return {"entropy": sum(map(float, entropies.values())), "alive": float(sum(alive.values()))} | values


def trial_metrics(of_search: Mapping[str, float], of_task: Mapping[str, Tensor]) -> dict[str, float]:
    """What the web UI draws; ``default`` is the evaluator's first metric that is no loss, or its loss.

    Args:
        of_search: as of ``search_metrics``.
        of_task: what the evaluator has logged, scalars by name.
    """
    task = {name: float(value) for name, value in of_task.items() if not name.startswith("prob/")}
    task = {name: value for name, value in task.items() if name not in of_search}
    default = next((name for name in task if "loss" not in name), next(iter(task), None))
    return {"default": 0.0 if default is None else task[default], **task, **of_search}


@contextmanager
def trial_listener() -> Iterator[Listener | None]:
    """A listener that reports to the manager of the NNI trial that this process is; None where it is none.

    While NNI's engine runs a model, ``nni``'s functions report to the engine, and under its parameter id. So the
    trial's channel is taken before, and its id is put back after. Made for nni 3.0: the id is private.
    """
    if trial_env_vars.NNI_PLATFORM is None:
        yield None
        return
    if nni.get_current_parameter() is None:
        nni.get_next_parameter()
    channel, record = get_default_trial_command_channel(), nni.trial._params

    def report(epoch: int, metrics: Mapping[str, float]) -> None:
        identity = record["parameter_id"] if record else None
        channel.send_metric("PERIODICAL", identity, nni.get_trial_id(), epoch - 1, dict(metrics))

    try:
        yield report
    finally:
        nni.trial._params = record
