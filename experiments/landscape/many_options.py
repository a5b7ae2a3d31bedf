"""What the commands share that do many trainings alike, in parallel processes. Read without torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from experiments.options.device import resolve_device
from experiments.options.groups import check_seed
from experiments.runs.processes import free_cores
from experiments.training.recipe import RecipeOptions, RetrainOptions
from nas_space.errors import InputError

ON_GPU = 2
"""Trainings at a time on a GPU, where nobody says it: each takes memory of its own."""


@dataclass
class ManyOptions(RetrainOptions):
    """Options of many trainings; those of ``retrain`` hold for each.

    Args:
        processes: trainings at a time; as many as there are cores if absent (2 on a GPU).
        stages: encoder (a search's head, labels at 1/8), aggregation (full labels), or encoder,aggregation.
        threads: of torch in each process, on the CPU; the cores are shared equally if absent.
        train: how the weights are trained; the default is the plain recipe of ``compare``.
    """

    processes: int | None = None
    stages: list[str] = field(default_factory=lambda: ["encoder"])
    train: RecipeOptions = field(default_factory=lambda: RecipeOptions(augmentation="shift", loss="cross-entropy"))

    @property
    def workers(self) -> int:
        """Trainings at a time."""
        if self.processes is not None:
            return self.processes
        return free_cores() if resolve_device(self.device) == "cpu" else ON_GPU

    @property
    def threads_each(self) -> int:
        """Threads of torch in each process."""
        return self.threads or max(1, free_cores() // self.workers)

    def check_many(self, kind: str, seeds: Sequence[int]) -> None:
        """Check what can be wrong without reading data or networks.

        Args:
            kind: what the trainings are for, for the message, such as ``race``.
            seeds: of the trainings.

        Raises:
            InputError: the key, and what it should be.
        """
        self.check()
        if not seeds or len(set(seeds)) < len(seeds):
            raise InputError(f"seeds: {','.join(map(str, seeds))!r} must be one or more different seeds")
        for seed in seeds:
            check_seed(seed)
        if self.processes is not None and self.processes < 1:
            raise InputError(f"processes: {self.processes} must be at least 1")
        if self.train.patience:
            raise InputError(f"train.patience: the networks of a {kind} are trained alike, to the end; leave it out")
