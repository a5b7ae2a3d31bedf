"""What a fit does in the time that it has: image size, space, stages, searches and epochs. Pure.

The rules. Every part has a least number of steps. An image size is comfortable if the parts fit with several times
the least. The largest comfortable size is taken, or else the smallest one. Of two spaces at it, the one that fills
the latency is taken, if it is comfortable too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from experiments.fit.facts import Facts, Speeds, Wishes
from experiments.fit.work import COMFORT, PARTS, SCALING, TRIAL, Epochs, Plan, divide, work_of
from experiments.runs.tables import counted
from nas_space.errors import InputError

SIDE, SMALLEST = 32, 96  # multiple of all sides in pixels, and the least side where the photos have as many
MOST_SEARCHES = 3
ROOM = 1.5  # the latency is at least so many times the fastest network's, where a larger size is chosen
DELIVERY = 15.0  # seconds, as on two slow cores: the report and the scores in it
Table = Callable[[str, tuple[int, int], str], float]
"""Preset, size and head -> seconds until the latency table is there."""


def candidate_sizes(side: tuple[int, int]) -> list[tuple[int, int]]:
    """Sizes of about the photos' shape, the smallest first; none is larger than the photos, but for the rounding.

    Args:
        side: height and width of the photos.
    """
    height, width = side
    short = min(height, width)
    sizes = []
    for least in range(min(SMALLEST, max(short // SIDE * SIDE, SIDE)), max(short, SIDE) + 1, SIDE):
        scale = least / short
        sizes.append((max(round(height * scale / SIDE), 1) * SIDE, max(round(width * scale / SIDE), 1) * SIDE))
    return list(dict.fromkeys(sizes))


def batch_size(most: int, train: int) -> int:
    """At most ``most`` images, and few enough for four steps an epoch; at least two, for batch norms."""
    return max(2, min(most, train // 4))


def fast_spaces(size: tuple[int, int], targets: Sequence[float], head: str, speeds: Speeds, room: float) -> list[str]:
    """The spaces that are fast enough: first those that have networks at all targets, then those with slower networks.

    Args:
        size: of the images.
        targets: milliseconds.
        head: of the finished networks.
        speeds: as measured.
        room: how many times the fastest network's time the lowest target has at least.
    """
    fast = [preset for preset in speeds.fastest if room * speeds.fastest[preset][head].at(size) <= min(targets)]
    slowest = {preset: speeds.slowest[preset][head].at(size) for preset in fast}
    return sorted(fast, key=lambda preset: -min(slowest[preset], max(targets)))


def stage_choices(wishes: Wishes) -> list[tuple[str, ...]]:
    """The stages to choose from, the better ones first."""
    return [("encoder", "aggregation"), ("encoder",)] if wishes.stages is None else [tuple(wishes.stages)]


def possible(sizes: Sequence[tuple[int, int]], wishes: Wishes, speeds: Speeds) -> list[tuple[Any, Any, str]]:
    """Stages, size and space of all plans whose networks are fast enough; the better ones first.

    Raises:
        InputError: there is none.
    """
    found = [
        (stages, size, space)
        for stages in stage_choices(wishes)
        for size in reversed(sizes)
        for space in fast_spaces(size, wishes.targets, stages[-1], speeds, 1.0 if size == sizes[0] else ROOM)
    ]
    if not found:
        raise InputError(_too_fast(sizes[0], wishes, stage_choices(wishes)[-1][-1], speeds))
    return found


def make_plan(
    left: float,
    sizes: Sequence[tuple[int, int]],
    facts: Facts,
    speeds: Speeds,
    wishes: Wishes,
    table: Table,
    spent: float = 0.0,
) -> Plan:
    """The plan for the seconds that are left.

    Args:
        left: seconds.
        sizes: of images, to choose from, the smallest first.
        facts: of the data.
        speeds: as measured.
        wishes: of the user.
        table: what the latency table takes.
        spent: seconds before, which count in the fewest minutes.

    Raises:
        InputError: no network is fast enough, or the time is too short, with the fewest minutes.
    """
    batch, count = batch_size(wishes.batch, facts.train), wishes.searches or 1
    plans = [
        Plan(size, batch, space, stages, count, Epochs(1, 1, 1), {})
        for stages, size, space in possible(sizes, wishes, speeds)
    ]

    def needed(plan: Plan, times: Mapping[str, float] | None = None) -> float:
        work = work_of(facts, speeds, wishes, plan)
        return _shared(plan, table) + len(wishes.targets) * work.total(work.at_least(times))

    comfortable = [plan for plan in plans if needed(plan, COMFORT) <= left]
    feasible = [plan for plan in plans if needed(plan) <= left]
    if comfortable:
        chosen = comfortable[0]
    elif feasible:
        chosen = min(feasible, key=lambda plan: (plan.size[0] * plan.size[1], -len(plan.stages)))
    else:
        fewest = (spent + min(map(needed, plans))) / 60
        fix = f"give at least {ceil(10 * fewest) / 10:g}{_or_less(wishes)}"
        raise InputError(f"minutes: {(spent + left) / 60:.3g} are too few here; {fix}")
    if wishes.searches is None:
        counts = (n for n in range(MOST_SEARCHES, 1, -1) if needed(replace(chosen, searches=n), COMFORT) <= left)
        chosen = replace(chosen, searches=next(counts, 1))
    work = work_of(facts, speeds, wishes, chosen)
    epochs = divide((left - _shared(chosen, table)) / len(wishes.targets), work)
    return replace(chosen, epochs=epochs, minutes=_minutes(facts, speeds, wishes, chosen, epochs, table))


def _shared(plan: Plan, table: Table) -> float:
    """Seconds that all targets share."""
    return table(plan.space, plan.size, plan.stages[-1]) + DELIVERY


def _minutes(
    facts: Facts, speeds: Speeds, wishes: Wishes, plan: Plan, epochs: Epochs, table: Table
) -> dict[str, float]:
    """Minutes of each part, of all targets together."""
    minutes = {"latency table": table(plan.space, plan.size, plan.stages[-1]) / 60}
    for part in (SCALING, *PARTS):
        minutes[part] = len(wishes.targets) * work_of(facts, speeds, wishes, plan, [part]).total(epochs) / 60
    return {**minutes, "delivery": DELIVERY / 60}


def _too_fast(size: tuple[int, int], wishes: Wishes, head: str, speeds: Speeds) -> str:
    least = min(lines[head].at(size) for lines in speeds.fastest.values())
    what = f"latency_ms: {min(wishes.targets):.3g} ms is below the fastest network"
    fix = f"give more{_or_less(Wishes(wishes.targets, wishes.hand_made, wishes.batch, wishes.size))}"
    return f"{what} at {size[0]}x{size[1]}, which takes about {least:.3g} ms; {fix}"


def _or_less(wishes: Wishes) -> str:
    """What else helps, of what the user has given."""
    given = {
        "a smaller --size": wishes.size is not None,
        "fewer --points": len(wishes.targets) > 1,
        "fewer --searches": (wishes.searches or 1) > 1,
        "fewer --search_epochs": wishes.search_epochs is not None,
        "fewer --race_epochs": wishes.race_epochs is not None,
        "fewer --train_epochs": wishes.train_epochs is not None,
    }
    return "".join(f" or {less}" for less, is_given in given.items() if is_given)


def describe(plan: Plan, wishes: Wishes, facts: Facts) -> list[str]:
    """The plan in plain lines, each with the option that overrides it."""
    epochs, entrants = plan.epochs, plan.searches + wishes.hand_made
    targets = ", ".join(f"{target:.3g}" for target in wishes.targets)
    steps, stages = max(facts.train // plan.batch, 1), " and ".join(plan.stages)
    begin = "what its search has left, if one found it" if wishes.init == "search" else "random weights"
    rows = [
        (f"networks for {targets} ms", "--points, --latency_ms"),
        (f"images of {plan.size_text}, photos are {facts.side[0]}x{facts.side[1]}", "--size"),
        (f"batches of {plan.batch}: {counted(steps, 'step')} an epoch", "--data.batch"),
        (f"the {plan.space} space", "--space.preset"),
        (f"{counted(plan.searches, 'search', 'searches')} for each", "--searches"),
        (f"{counted(epochs.search, 'epoch')} of search", "--search_epochs"),
        (f"a race of {entrants} networks, from {counted(epochs.race, 'epoch')} on", "--race_epochs"),
        (f"final training: {stages}, {counted(epochs.train, 'epoch')} each", "--stages, --train_epochs"),
        (f"it begins with {begin}", "--init"),
    ]
    if wishes.trials_at_once:
        rows.append((f"each of them a trial of NNI, with {TRIAL:.0f} s of its own", "--web"))
    width = max(len(text) for text, _ in rows)
    lines = [f"  {text:<{width}}  {option}" for text, option in rows]
    parts = ", ".join(f"{name} {minutes:.1f}" for name, minutes in plan.minutes.items())
    return ["plan", *lines, f"  minutes: {parts}; {sum(plan.minutes.values()):.1f} in all"]
