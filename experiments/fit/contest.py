"""The race of a point's networks, and in which order they are then trained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.fit.shared import Shared
from experiments.fit.work import HOLD_OUT, RACE_ROUNDS
from experiments.options.arguments import parse
from experiments.race.entrants import ARCHITECTURE, ENTRANTS, content_of, read_entrants
from experiments.race.options import RaceOptions
from experiments.race.race import race
from experiments.runs.files import write_atomic
from experiments.runs.folder import CONFIG
from experiments.runs.tables import counted, number
from nas_space.architecture import Architecture
from nas_space.config import Head
from nas_space.errors import InputError

TOLERANCE = 1.02
"""The delivered file may take so many times the latency that was asked for: what measurements differ by."""


def run_race(
    shared: Shared, folder: Path, entrants: Sequence[str], bound: float, decide: Callable[[], int]
) -> dict[str, Any]:
    """Race to the end, from where a killed one was; one network alone is measured, and wins.

    Args:
        shared: of all points.
        folder: of the race.
        entrants: folders of networks, relative to the fit's.
        bound: milliseconds that a delivered network may take.
        decide: the epochs of the first round of a race that has not begun yet.

    Returns:
        ``networks`` (see ``race_order``; those that seemed too slow are measured again) and ``rounds``.

    Raises:
        RuntimeError: a training has failed.
    """
    folders = [shared.folder / one for one in entrants]
    different = {content_of(Architecture.load(one)) for one in folders}
    if len(different) < 2:
        network = Architecture.load(folders[0])
        write_atomic(folder / ARCHITECTURE, network.to_json())
        (milliseconds,) = shared.milliseconds([network], bound)
        return {"networks": [{"name": folders[0].name, "ms": milliseconds, "mious": []}], "rounds": []}
    if (folder / CONFIG).is_file():
        options = replace(read_race_options(folder), out=str(folder))
    else:
        options = _options(shared, folder, [str(one) for one in folders], decide())

    def resolve(name: str, classes: int) -> Architecture:
        raise InputError(f"{name}: a fit's race has folders alone")

    def clock(networks: Sequence[tuple[Architecture, Head | None]], classes: int) -> list[float]:
        return shared.milliseconds([network for network, _ in networks], bound)

    summary = race(options, resolve, clock, shared.runner.race_trainings(folder))
    if summary["failed"]:
        failed = f"{counted(len(summary['failed']), 'training')} of the race failed"
        raise RuntimeError(f"{failed}; --resume {shared.folder} tries again: {summary['failed'][0]}")

    def measure(names: Sequence[str]) -> list[float]:
        return shared.milliseconds([network_of(folder, name) for name in names], bound)

    return {"networks": slow_again(race_order(summary), bound, measure), "rounds": summary["rounds"]}


def read_race_options(folder: Path) -> RaceOptions:
    """The options of a race that has begun."""
    return parse("ssr-nas race", "", RaceOptions, [f"--config={folder / CONFIG}"])[0]


def _options(shared: Shared, folder: Path, entrants: list[str], epochs: int) -> RaceOptions:
    options = shared.options
    return RaceOptions(
        entrants=entrants,
        rounds=RACE_ROUNDS,
        epochs=epochs,
        seeds=[options.seed],
        hold_out=HOLD_OUT,
        seed=options.seed,
        threads=options.threads,
        device=options.device,
        precision=options.precision,
        data=shared.data,
        space=options.space.of(shared.plan.space),
        out=str(folder),
    )


def network_of(folder: Path, name: str) -> Architecture:
    """A network of a race, by its name there.

    Raises:
        InputError: the race has no network of this name.
    """
    if not (folder / ENTRANTS).is_file():
        return Architecture.load(folder)
    networks = {one.name: one.architecture for one in read_entrants(folder)}
    if name not in networks:
        raise InputError(f"{folder / ENTRANTS}: has no network {name!r}; it has {', '.join(networks)}")
    return networks[name]


def race_order(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The networks of a race, the winner first: those of the last round, then those that left before.

    Args:
        summary: content of ``race.json``.

    Returns:
        ``name``, ``ms`` and ``mious`` (of each round that it ran in, from the first on).
    """
    times = {one["name"]: one["milliseconds"] for one in summary["entrants"]}
    scores: dict[str, list[float]] = {}
    for part in summary["rounds"]:
        for one in part["networks"]:
            scores.setdefault(one["name"], []).append(one["miou"])
    names = dict.fromkeys(one["name"] for part in reversed(summary["rounds"]) for one in part["networks"])
    return [{"name": name, "ms": times[name], "mious": scores[name]} for name in names]


def slow_again(
    networks: Sequence[Mapping[str, Any]], bound: float, measure: Callable[[Sequence[str]], Sequence[float]]
) -> list[Mapping[str, Any]]:
    """Measure again what seemed too slow: the machine may have been slow when the race began, some minutes ago.

    Args:
        networks: of ``race_order``.
        bound: milliseconds.
        measure: from names to milliseconds.

    Returns:
        The networks, each with the least of its times.
    """
    slow = [one["name"] for one in networks if one["ms"] is not None and one["ms"] > bound]
    times = dict(zip(slow, measure(slow), strict=True)) if slow else {}
    return [one if one["name"] not in times else {**one, "ms": min(one["ms"], times[one["name"]])} for one in networks]


def candidates(networks: Sequence[Mapping[str, Any]], target: float) -> list[Mapping[str, Any]]:
    """In which order networks are trained: those whose measured time holds, as they raced; then the quickest first.

    A network whose time is not known counts as one that holds: its file is measured in any case.
    """
    holds = [one for one in networks if one["ms"] is None or one["ms"] <= TOLERANCE * target]
    others = [one for one in networks if one not in holds]
    return [*holds, *sorted(others, key=lambda one: one["ms"])]


def passed_over(networks: Sequence[Mapping[str, Any]], target: float) -> str | None:
    """Why the winner of a race is not the network that is trained first; None where it is.

    Args:
        networks: of ``race_order``.
        target: milliseconds.
    """
    winner, first = networks[0], candidates(networks, target)[0]
    if first is winner:
        return None
    slow = f"{winner['name']} wins the race but takes {number(winner['ms'])} ms of {number(target)}"
    return f"{slow}; {first['name']} is trained"
