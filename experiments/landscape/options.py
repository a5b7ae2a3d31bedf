"""Options of a landscape, and everything about them that can be wrong. Read without torch."""

from dataclasses import dataclass, field

from experiments.options.device import resolve_device
from experiments.options.groups import SpaceOptions, check_seed
from experiments.runs.processes import free_cores
from experiments.training.recipe import RecipeOptions, RetrainOptions
from nas_space.errors import InputError

FREE = ("networks", "seeds", "processes", "out", "resume", "threads")
"""Options that may change when a landscape goes on: they choose trainings, or where they run."""
NETWORKS, SEEDS = 100, (0, 1)
"""Where nobody says it: absent, so that --resume can tell what is given."""
ON_GPU = 2
"""Trainings at a time on a GPU, where nobody says it: each takes memory of its own."""


@dataclass
class LandscapeOptions(RetrainOptions):
    """Options of ``ssr-nas landscape``; those of ``retrain`` hold for each of its trainings.

    Args:
        networks: how many random networks are trained beside baseline1 and baseline2, 100 if absent; a larger number
            keeps the first.
        seeds: trainings of every network, one for each seed, 0,1 if absent; all of the first seed come first.
        processes: trainings at a time; as many as there are cores if absent (2 on a GPU).
        epochs: passes over the training set, in each stage.
        stages: encoder (a search's head, labels at 1/8), aggregation (full labels), or encoder,aggregation.
        seed: not used; give seeds.
        threads: of torch in each process, on the CPU; the cores are shared equally if absent.
        space: what the networks are drawn from; each searched dimension is drawn at random, the others stay as they
            are in baseline1.
        train: how the weights are trained; the default is the plain recipe of a search.
        out: the landscape's folder; one that was begun with the same options goes on.
        resume: the landscape in this folder goes on; all options but networks, seeds, processes and threads come
            from its config.yml.
    """

    networks: int | None = None
    seeds: list[int] | None = None
    processes: int | None = None
    epochs: int = 20
    stages: list[str] = field(default_factory=lambda: ["encoder"])
    space: SpaceOptions = field(default_factory=lambda: SpaceOptions(search=["dilation", "pooling"]))
    train: RecipeOptions = field(default_factory=lambda: RecipeOptions(augmentation="shift", loss="cross-entropy"))
    out: str = "runs/landscape"
    resume: str | None = None

    @property
    def network_count(self) -> int:
        """Random networks."""
        return NETWORKS if self.networks is None else self.networks

    @property
    def seed_list(self) -> list[int]:
        """Seeds of every network, in order."""
        return list(SEEDS) if self.seeds is None else self.seeds

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


def check_landscape(options: LandscapeOptions) -> None:
    """Everything about the options that can be wrong without reading data.

    Raises:
        InputError: the key, and what it should be.
    """
    options.check()
    if not options.space.resolve().search:
        raise InputError("space.search: nothing is searched, so there is one network; give a dimension")
    if options.seed != 0:
        raise InputError("seed: a landscape takes several, give --seeds")
    if options.network_count < 1:
        raise InputError(f"networks: {options.networks} must be at least 1")
    seeds = options.seed_list
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"seeds: {','.join(map(str, seeds))!r} must be one or more different seeds")
    for seed in seeds:
        check_seed(seed)
    if options.processes is not None and options.processes < 1:
        raise InputError(f"processes: {options.processes} must be at least 1")
    if options.train.patience:
        raise InputError("train.patience: the networks of a landscape are trained alike, to the end; leave it out")
