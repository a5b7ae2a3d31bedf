"""Measure the training loop beside a constant batch.

The constant batch shows what reading and changing images costs.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.commands.retrain import Options as RetrainCommand
from experiments.commands.retrain import resolve_network
from experiments.options.device import resolve_precision
from experiments.options.groups import part_of
from experiments.training.recipe import RetrainOptions
from nas_space.errors import InputError


@dataclass(kw_only=True)
class Options(RetrainCommand):
    """Options of ``ssr-nas benchmark training``: those of ``retrain``, with baseline1 if no network is given.

    Args:
        steps: batches a turn.
        rounds: turns with real and with constant batches, one after the other, after one of each to warm up.
    """

    steps: int = 20
    rounds: int = 5


def run(options: Options) -> dict[str, Any]:
    """Measure and print; return what ``training_throughput`` tells, with all that decided it. Nothing is kept."""
    from experiments.benchmark.training import training_throughput
    from experiments.data import load
    from experiments.runs.environment import device_name, versions
    from experiments.training.retrain import Retraining, check_data

    for key in ("steps", "rounds"):
        if getattr(options, key) < 1:
            raise InputError(f"{key}: {getattr(options, key)} must be at least 1")
    for key in ("out", "resume"):
        if getattr(options, key) is not None:
            raise InputError(f"{key}: a benchmark keeps no run; leave it out")
    if options.init is not None:
        raise InputError("init: the weights do not change the speed; leave it out")
    if options.arch is None and options.peer is None:
        options = replace(options, arch="baseline1")
    architecture = resolve_network(options)
    options.check()
    data = load(options.data)
    architecture = architecture or resolve_network(options, len(data.classes))
    check_data(options, data, architecture, options.peer)
    with tempfile.TemporaryDirectory() as folder:
        training = Retraining(part_of(RetrainOptions, options), data, Path(folder), architecture, options.peer)
        stage, precision = training.stages[-1], resolve_precision(options.precision)
        how = (training.device, precision, options.steps, options.rounds, Path(folder))
        measured = training_throughput(training.prepare(stage), *how)
    result = {
        **measured,
        "steps": options.steps,
        "rounds": options.rounds,
        "network": options.peer or options.arch,
        "stage": stage.name,
        "dataset": data.name,
        "crop": "{}x{}".format(*options.crop),
        "batch": options.data.batch,
        "precision": options.precision,
        "device": device_name(training.device),
        "versions": versions(),
    }
    low, high = result["ratio_spread"]
    print(
        f"{result['network']} ({stage.name}), batches of {options.data.batch} at {result['crop']}, {result['device']}: "
        f"{1000 * result['batch_s']:.1f} ms a batch, {1000 * result['constant_batch_s']:.1f} ms with a constant batch\n"
        f"{100 * result['ratio']:.1f} % of the speed with a constant batch "
        f"({100 * low:.1f} to {100 * high:.1f} in {options.rounds} rounds)"
    )
    return result
