"""A fit in NNI's web UI: each search and each training is a trial, and this process submits them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.fit.options import FitOptions
from experiments.fit.runner import Here, Runner
from experiments.fit.searching import SUMMARY as SEARCHED
from experiments.fit.searching import is_searched
from experiments.fit.training import SUMMARY as TRAINED
from experiments.fit.training import decide_once, is_trained
from experiments.fit.trial import RACE, SEARCH, TRAIN
from experiments.landscape.plan import Planned
from experiments.landscape.setup import TrainingSetup
from experiments.landscape.table import Trained
from experiments.landscape.workers import OnEnd, TrainAll
from experiments.nni_manager.custom_trials import CustomTrials, custom_experiment
from experiments.nni_manager.start import PORT
from experiments.runs.folder import read_summary, write_config
from experiments.search.options import SearchRunOptions
from experiments.training.recipe import RetrainOptions
from nas_space.architecture import Architecture

COMMAND = "ssr-nas fit-trial"
HINT = "it goes on with --resume and its run folder; where none was printed yet, give the command again"


@contextmanager
def runner_of(options: FitOptions) -> Iterator[Runner]:
    """Who runs a fit's searches and trainings; with ``web``, NNI's manager runs inside.

    Raises:
        InputError: the port cannot be used, or the manager does not start.
    """
    if not options.web:
        yield Here()
        return
    with custom_experiment("fit", COMMAND, options.at_once, options.port or PORT, HINT) as trials:
        yield InTrials(trials)


@dataclass(frozen=True)
class InTrials:
    """A ``Runner`` by trials.

    Args:
        trials: of the experiment.
    """

    trials: CustomTrials

    def search(self, options: SearchRunOptions, folder: Path) -> dict[str, Any]:
        if not is_searched(folder):
            write_config(folder, options)
            self.trials.run({"kind": SEARCH, "folder": str(folder)})
        return read_summary(folder / SEARCHED)

    def race_trainings(self, folder: Path) -> TrainAll | None:
        def train(trainings: Sequence[Planned], setup: TrainingSetup, processes: int, threads: int, end: OnEnd) -> None:
            epochs = setup.options.epochs

            def on_end(place: int, result: dict[str, Any] | str) -> None:
                end(trainings[place], result if isinstance(result, str) else _trained(trainings[place], result))

            of_race = {"kind": RACE, "folder": str(folder), "epochs": epochs, "threads": threads}
            self.trials.run_all([{**of_race, "network": one.name, "seed": one.seed} for one in trainings], on_end)

        return train

    def train(
        self,
        folder: Path,
        name: str,
        network: Architecture,
        decide: Callable[[], RetrainOptions],
        weights: Path | None,
    ) -> dict[str, Any]:
        if not is_trained(folder):
            decide_once(folder, decide)
            init = None if weights is None else str(weights)
            self.trials.run({"kind": TRAIN, "folder": str(folder), "network": name, "init": init})
        return read_summary(folder / TRAINED)


def _trained(planned: Planned, result: dict[str, Any]) -> Trained | str:
    try:
        miou, macs, params, seconds = (float(result[key]) for key in ("default", "macs", "params", "seconds"))
    except (KeyError, TypeError, ValueError):
        return "its trial has reported no result of a training"
    return Trained(**vars(planned), miou=miou, macs=macs, params=int(params), minutes=seconds / 60)
