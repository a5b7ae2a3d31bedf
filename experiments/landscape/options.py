"""Options of a landscape, and everything about them that can be wrong. Read without torch."""

from dataclasses import dataclass, field

from experiments.landscape.many_options import ManyOptions
from experiments.options.groups import SpaceOptions
from nas_space.errors import InputError

FREE = ("networks", "seeds", "processes", "out", "resume", "threads")
"""Options that may change when a landscape goes on: they choose trainings, or where they run."""
NETWORKS, SEEDS = 100, (0, 1)
"""Where nobody says it: absent, so that --resume can tell what is given."""


@dataclass
class LandscapeOptions(ManyOptions):
    """Options of ``ssr-nas landscape``; those of ``retrain`` hold for each of its trainings.

    Args:
        networks: how many random networks are trained beside baseline1 and baseline2, 100 if absent; a larger number
            keeps the first.
        seeds: trainings of every network, one for each seed, 0,1 if absent; all of the first seed come first.
        epochs: passes over the training set, in each stage.
        seed: not used; give seeds.
        space: what the networks are drawn from; each searched dimension is drawn at random, the others stay as they
            are in baseline1.
        out: the landscape's folder; one that was begun with the same options goes on.
        resume: the landscape in this folder goes on; all options but networks, seeds, processes and threads come
            from its config.yml.
    """

    networks: int | None = None
    seeds: list[int] | None = None
    epochs: int = 20
    space: SpaceOptions = field(default_factory=lambda: SpaceOptions(search=["dilation", "pooling"]))
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


def check_landscape(options: LandscapeOptions) -> None:
    """Everything about the options that can be wrong without reading data.

    Raises:
        InputError: the key, and what it should be.
    """
    options.check_many("landscape", options.seed_list)
    if not options.space.resolve().search:
        raise InputError("space.search: nothing is searched, so there is one network; give a dimension")
    if options.seed != 0:
        raise InputError("seed: a landscape takes several, give --seeds")
    if options.network_count < 1:
        raise InputError(f"networks: {options.networks} must be at least 1")
