"""NNI experiments in this process that leave nothing behind but what we write ourselves."""

import logging
import tempfile
from typing import Any

from nni.nas.evaluator.pytorch import Lightning
from nni.nas.experiment import NasExperiment

from nas_space.space import JointSpace


class LocalExperiment(NasExperiment):
    """An experiment that keeps no record in the user's home: NNI's manifest there would be read by unpickling."""

    def _start_without_nni_manager(self) -> None:
        """Nothing to register."""

    def _stop_without_nni_manager(self) -> None:
        """Nothing was registered."""


def run_experiment(space: JointSpace, evaluator: Lightning, strategy: Any) -> dict[str, Any]:
    """Run a one-shot strategy (ours or NNI's) as an NNI experiment in this process.

    Returns:
        The sample of the found network.
    """
    logging.getLogger("nni").setLevel(logging.CRITICAL)  # an exception says it all, in our own line
    with tempfile.TemporaryDirectory(prefix="ssr-nas-") as folder:
        experiment = LocalExperiment(space, evaluator, strategy)
        experiment.config.experiment_working_directory = folder  # NNI's own state; ours is the run's folder
        try:
            experiment.run()
            return dict(experiment.export_top_models(formatter="dict")[0])
        finally:
            experiment.stop()
