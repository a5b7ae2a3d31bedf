"""NNI experiments in this process that leave nothing behind but what we write ourselves.

Made for nni 3.0: the only file of a search that uses private names of NNI.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import nni
from nni.nas.evaluator import Evaluator
from nni.nas.evaluator.pytorch import Lightning
from nni.nas.experiment import NasExperiment, NasExperimentConfig
from nni.nas.strategy.base import Strategy

from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.space import JointSpace


class LocalExperiment(NasExperiment):
    """An experiment without a record in the user's home: NNI's manifest there would be read by unpickling."""

    def _start_without_nni_manager(self) -> None: ...

    def _stop_without_nni_manager(self) -> None: ...

    def save_checkpoint(self) -> None: ...  # a run's own checkpoints hold all that continues it


@contextmanager
def local_experiment(
    space: JointSpace, evaluator: Evaluator, strategy: Strategy, config: NasExperimentConfig | None = None
) -> Iterator[NasExperiment]:
    """An experiment whose files are gone at the end; arguments as of NNI's ``NasExperiment``."""
    logging.getLogger("nni").setLevel(logging.CRITICAL)  # an exception says it all, in our own line
    with tempfile.TemporaryDirectory(prefix="ssr-nas-") as folder:
        experiment = LocalExperiment(space, evaluator, strategy, config)
        experiment.config.experiment_working_directory = folder  # NNI's own state; ours is the run's folder
        try:
            yield experiment
        finally:
            experiment.stop()


class ScoreEvaluator(Evaluator):
    """Gives a sampled network to ``score`` as an ``Architecture``; NNI builds no network itself."""

    def __init__(self, space: SpaceConfig, score: Callable[[Architecture], float]) -> None:
        self.space = space
        self.score = score

    def _execute(self, model: Any) -> None:
        nni.report_final_result(self.score(Architecture.from_sample(self.space, model.sample)))


def run_experiment(space: JointSpace, evaluator: Lightning, strategy: Any) -> dict[str, Any]:
    """Run a one-shot strategy (ours or NNI's) as an experiment in this process; returns the found network's sample."""
    with local_experiment(space, evaluator, strategy) as experiment:
        experiment.run()
        return dict(experiment.export_top_models(formatter="dict")[0])
