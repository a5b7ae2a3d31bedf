"""Options of a race, and everything about them that can be wrong without data. Read without torch."""

import math
from dataclasses import dataclass, field

from experiments.landscape.many_options import ManyOptions
from experiments.options.groups import SpaceOptions
from experiments.options.leaves import WHOLE
from nas_space.errors import InputError

FREE = ("processes", "out", "resume", "device", "threads")
"""Options that may change when a race goes on: they choose where its trainings run."""


@dataclass
class RaceOptions(ManyOptions):
    """Options of ``ssr-nas race``; those of ``retrain`` hold for each of its trainings.

    Args:
        entrants: the networks: run folders of searches, or of comparisons (all that their searches have found);
            architecture files; a run's folder snapshots (all in it); baseline1, baseline2, or one of these scaled to
            a bound, such as baseline2@20ms, baseline2@2.6G (MACs) or baseline2@0.5M (parameters), at data.size.
        rounds: how many; absent, until one network is left.
        keep: share of a round's networks that go on to the next, the best; at least one leaves, and one stays.
        epochs: of the first round, in each stage; each further round has twice as many as the one before. Every
            training begins from scratch: a learning rate that has decayed to its end is not raised again.
        seeds: trainings of every network in each round, one for each seed; all networks have the same.
        hold_out: share of the training images that score the networks; the others train them. The validation set is
            not used.
        seed: which images are held out.
        space: where baseline1 and baseline2 come from.
        out: the race's folder; one that was begun with the same options goes on.
        resume: the race in this folder goes on; all options but processes, device and threads come from its config.yml.
    """

    POSITIONAL = "entrants"
    entrants: list[str] = field(default_factory=list, metadata=WHOLE)
    rounds: int | None = None
    keep: float = 0.5
    epochs: int = 5
    seeds: list[int] = field(default_factory=lambda: [0, 1])
    hold_out: float = 0.2
    space: SpaceOptions = field(default_factory=SpaceOptions)
    out: str = "runs/race"
    resume: str | None = None


def check_race(options: RaceOptions) -> None:
    """Everything about the options that can be wrong without reading data or networks.

    Raises:
        InputError: the key, and what it should be.
    """
    options.check_many("race", options.seeds)
    if not options.entrants:
        raise InputError("entrants: give the networks, such as runs/first runs/second baseline2@20ms")
    if options.rounds is not None and options.rounds < 1:
        raise InputError(f"rounds: {options.rounds} must be at least 1")
    for key in ("keep", "hold_out"):
        if not 0.0 < getattr(options, key) < 1.0:
            raise InputError(f"{key}: {getattr(options, key):g} must be above 0 and below 1")


def kept(count: int, keep: float) -> int:
    """How many of ``count`` networks, two or more, a round keeps."""
    return max(1, min(count - 1, math.ceil(round(keep * count, 9))))


def sizes(count: int, options: RaceOptions) -> list[int]:
    """How many networks run in each round.

    Args:
        count: entrants, at least two.
        options: of the race; it may end before its ``rounds`` are full, when one network is left.
    """
    rounds: list[int] = []
    while count > 1 and (options.rounds is None or len(rounds) < options.rounds):
        rounds.append(count)
        count = kept(count, options.keep)
    return rounds
