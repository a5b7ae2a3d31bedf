"""What NNI starts for each entrant of a race.

Its rounds run one after another; NNI's assessor stops who falls behind.

``trialCommand: ssr-nas race-trial --config race.yml``; the search space has the key ``entrants``, a choice of networks.
"""

from dataclasses import dataclass
from typing import Any

from experiments.options.groups import parse_size
from experiments.race.options import RaceOptions
from experiments.runs.folder import prepare_run, write_config
from experiments.runs.lock import locked
from nas_space.architecture import Architecture


@dataclass
class Options(RaceOptions):
    """Options of ``ssr-nas race-trial``: those of ``race``, where NNI's parameters do not say otherwise."""


def run(options: Options) -> dict[str, Any]:
    """Train in NNI's output folder of the trial, report each round to NNI; return the last one and the folder."""
    from experiments.benchmark.networks.scaled import Scaler
    from experiments.nni_manager.trial import Manager, output_folder, stopped_by_signal, with_parameters
    from experiments.race.alone import run_alone

    folder = output_folder() or prepare_run(None, "race-trial", "race-trial")
    with stopped_by_signal(), locked(folder, wait=True):
        manager = Manager(folder)
        given = with_parameters(options, manager.parameters)
        space, size = given.space.resolve(), parse_size(given.data.size)

        def resolve(name: str, classes: int) -> Architecture:
            return Scaler(size)(name, space, classes)

        write_config(folder, given)
        network, result = run_alone(given, folder, resolve, manager.report_round)
        manager.finish_with(folder, result, network.to_json(), given.data)
        return {**result, "run": str(folder)}
