"""What the parts of a fit take, and how their epochs share the time that is left. Pure.

Every part has a least number of steps. What is left beyond the least is shared among the parts by fixed weights. It is
shared anew before every part, from the time that is left then, so that an error of an estimate moves into the epochs
of the later parts and not into the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from experiments.fit.facts import Facts, Speeds, Wishes
from experiments.race.options import RaceOptions
from experiments.race.options import sizes as race_sizes
from experiments.training.few_steps import FEWEST, epochs_for

SHRINKS = 0.55
"""Mean time of a search's steps over that of a bi-level one with all candidates.

At first one pass serves both levels, later the super-network shrinks. Measured: 0.45 in all four dimensions of the
compact space, 0.5 in two (Intel Xeon, 24 epochs).
"""
FORWARD = 1 / 3  # time of an image that is only scored, over that of one that is trained on
VALIDATIONS = 10  # most of them in a stage of the final training
RACE_ROUNDS, HOLD_OUT = 2, 0.2
WEIGHTS = {"search": 0.35, "race": 0.2, "train": 0.45}  # shares of the time beyond the least
PARTS = tuple(WEIGHTS)
SCALING = "hand-made networks"
"""The part that comes before ``PARTS``, and has no epochs."""
LEAST_TRAINING = 300  # steps of a stage of the final training
COMFORT = {"search": 1.0, "race": 1.5, "train": 3.0}  # times the least that make a size comfortable
MOST = {"search": 3.0, "race": 20.0, "train": 100.0}  # times the least: more helps nobody
HAND_MADE, RACE_START, EXPORT, TRIAL = 45.0, 15.0, 25.0, 17.0
"""Seconds, as on two slow cores: a scaled baseline, the start of a race's round, an export with its proof, and what a
trial of NNI takes before it computes and after: NNI's two looks, and a process that loads all libraries."""


@dataclass(frozen=True)
class Epochs:
    """Of each search, of the race's first round, and of each stage of the final training."""

    search: int
    race: int
    train: int


@dataclass(frozen=True)
class Plan:
    """What is decided before anything is trained; epochs are decided again before every part.

    Args:
        size: height and width of the images.
        batch: images of a step.
        space: the preset.
        stages: of the final training.
        searches: for each target.
        epochs: as they would be if all estimates were exact.
        minutes: part -> estimated minutes.
    """

    size: tuple[int, int]
    batch: int
    space: str
    stages: tuple[str, ...]
    searches: int
    epochs: Epochs
    minutes: Mapping[str, float]

    @property
    def size_text(self) -> str:
        return "{}x{}".format(*self.size)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; ``from_dict`` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Plan":
        """Inverse of ``to_dict``, also after JSON."""
        size = (int(content["size"][0]), int(content["size"][1]))
        own = {key: content[key] for key in ("batch", "space", "searches", "minutes")}
        return cls(size=size, stages=tuple(content["stages"]), epochs=Epochs(**content["epochs"]), **own)


@dataclass(frozen=True)
class Work:
    """What is still to be done for one target. Parts that are done have no seconds.

    Args:
        seconds: part -> seconds of one epoch, of all searches that are left, all trainings of a race, all stages.
        least: part -> epochs.
        given: part -> epochs that the user has given.
        fixed: seconds that do not depend on epochs.
    """

    seconds: Mapping[str, float]
    least: Mapping[str, int]
    given: Mapping[str, int]
    fixed: float

    def total(self, epochs: Epochs) -> float:
        """Seconds of everything."""
        return self.fixed + sum(each * getattr(epochs, part) for part, each in self.seconds.items())

    def at_least(self, times: Mapping[str, float] | None = None) -> Epochs:
        """The least epochs, or so many times as many; those that the user has given are as given."""
        times = times or {}
        return Epochs(
            **{p: self.given.get(p) or ceil(round(least * times.get(p, 1.0), 9)) for p, least in self.least.items()}
        )


def work_of(
    facts: Facts,
    speeds: Speeds,
    wishes: Wishes,
    plan: Plan,
    left: Sequence[str] = (SCALING, *PARTS),
    searches: int | None = None,
) -> Work:
    """What is to be done for one target.

    Args:
        facts: of the data.
        speeds: as measured.
        wishes: of the user.
        plan: size, space, stages and searches.
        left: the parts that are not done yet.
        searches: how many of them are not done yet; all if absent.
    """
    count, own, batch = plan.searches if searches is None else searches, speeds.train[plan.space], plan.batch
    steps = max(facts.train // batch, 1)
    raced = max(round((1 - HOLD_OUT) * facts.train) // batch, 1)
    search, encoder = speeds.search[plan.space].at(plan.size), own["encoder"].at(plan.size)
    # A bi-level step trains on two batches; super-network and derived network are scored after every epoch.
    scored = facts.val * FORWARD * search / (2 * batch)
    seconds = {"search": count * (steps * SHRINKS * search + scored)}
    race = RaceOptions(rounds=RACE_ROUNDS)
    raced_in = race_sizes(plan.searches + wishes.hand_made, race)
    units = sum(n * 2**i for i, n in enumerate(raced_in))
    seconds["race"] = units * raced * encoder
    seconds["train"] = sum(steps * own[stage].at(plan.size) for stage in plan.stages)
    least = {
        "search": epochs_for(facts.search_steps, steps),
        "race": epochs_for(FEWEST, raced),
        "train": epochs_for(LEAST_TRAINING, steps),
    }
    given = {part: getattr(wishes, f"{part}_epochs") for part in seconds}
    reading = facts.read_s * (facts.train + facts.val)
    validated = VALIDATIONS * facts.val * FORWARD / batch * sum(own[stage].at(plan.size) for stage in plan.stages)
    at_once, trial = wishes.trials_at_once, TRIAL if wishes.trials_at_once else 0.0
    # A trial reads the data for one training; without NNI, a process does so for all of its trainings of a round.
    starts = [ceil(n / at_once) * (trial + reading) if at_once else RACE_START + reading for n in raced_in]
    fixed = {
        SCALING: wishes.hand_made * HAND_MADE,
        "search": count * (trial + 3 * reading),
        "race": sum(starts) + RACE_ROUNDS * reading,
        "train": trial + reading + validated + EXPORT + 2 * reading,
    }
    return Work(
        {part: value if part in left else 0.0 for part, value in seconds.items()},
        least,
        {part: value for part, value in given.items() if value is not None},
        sum(fixed[part] for part in left),
    )


def divide(left: float, work: Work) -> Epochs:
    """The epochs of all parts that are left, so that they fill the time.

    All get what is comfortable, or where that does not fit, the least; the rest is shared by ``WEIGHTS``. Where even
    the least does not fit, all parts get their share of it, and half of it at least: a race of few steps tells nothing.

    Args:
        left: seconds for this target.
        work: what is to be done.
    """
    comfortable = work.at_least(COMFORT)
    least = comfortable if work.total(comfortable) <= left else work.at_least()
    spare = left - work.total(least)
    if spare < 0:
        needed = work.total(least) - work.fixed
        share = max(left - work.fixed, 0.0) / needed if needed else 1.0
        cut = {
            p: work.given.get(p) or max(int(share * getattr(least, p)), ceil(getattr(least, p) / 2)) for p in WEIGHTS
        }
        return Epochs(**cut)
    free = [part for part in WEIGHTS if work.seconds[part] and part not in work.given]
    epochs = asdict(least)
    for place, part in enumerate(free):  # the last one, the training, also gets what the others may not take
        own = spare * WEIGHTS[part] / sum(WEIGHTS[other] for other in free[place:])
        more = min(int(own / work.seconds[part]), int(MOST[part] * work.least[part]) - epochs[part])
        epochs[part] += more
        spare -= more * work.seconds[part]
    return Epochs(**epochs)
