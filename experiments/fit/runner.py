"""Who runs the searches and trainings of a fit: this process, where nobody else does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from experiments.fit.searching import search
from experiments.fit.training import train_network
from experiments.landscape.workers import TrainAll
from experiments.runs.lock import locked
from experiments.search.options import SearchRunOptions
from experiments.training.recipe import RetrainOptions
from nas_space.architecture import Architecture


class Runner(Protocol):
    """Runs searches and trainings to their end, also ones that were killed; files and results are always the same."""

    def search(self, options: SearchRunOptions, folder: Path) -> dict[str, Any]:
        """Search in a folder; returns the content of ``search.json``."""

    def race_trainings(self, folder: Path) -> TrainAll | None:
        """What trains the networks of the race in this folder; None for its own processes."""

    def train(
        self,
        folder: Path,
        name: str,
        network: Architecture,
        decide: Callable[[], RetrainOptions],
        weights: Path | None,
    ) -> dict[str, Any]:
        """Train a network, by its name in the point's race; otherwise as ``train_network``."""


class Here:
    """This process searches and trains; the trainings of a race have processes of their own.

    A trial of a killed fit may still write for a moment: it is waited for.
    """

    def search(self, options: SearchRunOptions, folder: Path) -> dict[str, Any]:
        with locked(folder, wait=True):
            return search(options, folder)

    def race_trainings(self, folder: Path) -> TrainAll | None:
        return None

    def train(
        self,
        folder: Path,
        name: str,
        network: Architecture,
        decide: Callable[[], RetrainOptions],
        weights: Path | None,
    ) -> dict[str, Any]:
        with locked(folder, wait=True):
            return train_network(folder, network, decide, weights)
