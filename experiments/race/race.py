"""A race: many networks are trained for a short time, the better ones again for longer, until the best is left.

Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943). A part of the training images scores the networks:
the validation set chooses nothing, and stays fit for the report of what the winner is worth.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from experiments.data import SegmentationData, load
from experiments.landscape.plan import Planned
from experiments.landscape.progress import Progress
from experiments.landscape.runs import left_out
from experiments.landscape.setup import TrainingSetup, held_out
from experiments.landscape.table import Trained
from experiments.landscape.workers import TrainAll, train_all
from experiments.options.device import resolve_device
from experiments.options.groups import data_flags, parse_size, part_of
from experiments.race.entrants import (
    ARCHITECTURE,
    ENTRANTS,
    Entrant,
    find_entrants,
    find_unfinished,
    read_entrants,
    write_entrants,
)
from experiments.race.options import FREE, RaceOptions, check_race, kept, sizes
from experiments.race.standing import difference, rank
from experiments.race.table import TABLE, RaceRow, read_rows, write_rows
from experiments.race.text import round_text
from experiments.runs.begun import check_begun, is_begun
from experiments.runs.environment import device_name, processor_name, versions
from experiments.runs.files import write_atomic, write_json
from experiments.runs.folder import make_folder, read_summary, write_config
from experiments.runs.lock import locked
from experiments.training.few_steps import few_training_steps, warn
from experiments.training.recipe import RetrainOptions
from experiments.training.retrain import check_data, plan
from nas_space.architecture import Architecture
from nas_space.config import Head
from nas_space.cost import Cost, cost
from nas_space.errors import InputError
from nas_space.memory import TRAINED, check_network

SUMMARY = "race.json"
OF_WINNER = {"name", "names", "miou", "error", "second", "lead", "lead_error", "epochs"}
Resolve = Callable[[str, int], Architecture]
Clock = Callable[[Sequence[tuple[Architecture, Head | None]], int], list[float]]


def check_folder(options: RaceOptions) -> None:
    """Refuse a folder that holds something else than this race, or cannot hold it. Nothing is written.

    Raises:
        InputError: it holds something else, or a race with other options.
    """
    folder = Path(options.out)
    if is_begun(folder, "race", ("entrants", "out")):
        check_begun(folder, options, FREE)


def read_complete(folder: Path) -> dict[str, Any] | None:
    """The content of ``race.json`` of a race that is complete, None of another.

    Raises:
        InputError: the file is damaged.
    """
    if not ((folder / SUMMARY).is_file() and (folder / ARCHITECTURE).is_file()):
        return None
    summary = read_summary(folder / SUMMARY, ("winner", "rounds", "entrants", "seeds", "held_out_images", "data_flags"))
    winner = summary["winner"]
    if winner is not None and not (isinstance(winner, dict) and OF_WINNER <= winner.keys()):
        raise InputError(f"{folder / SUMMARY}: tells no winner; remove it, and the same command finds it again")
    return summary if winner is not None else None


def race(options: RaceOptions, resolve: Resolve, clock: Clock, train: TrainAll | None = None) -> dict[str, Any]:
    """Train what is missing, round by round; the winner becomes ``architecture.json``.

    Args:
        options: of the race.
        resolve: makes a hand-made network from its name and the number of classes.
        clock: measures the milliseconds of networks with their heads, from the number of classes.
        train: runs the trainings of a round; absent, processes of this machine do.

    Returns:
        The content of ``race.json``, with ``failed`` (a line for each training that has failed; then there is no
        ``winner`` yet).

    Raises:
        InputError: an option, a network or a file that cannot be used.
        RuntimeError: a process cannot start.
    """
    check_race(options)
    check_folder(options)
    folder = Path(options.out)
    complete = read_complete(folder)  # it may lie where nobody can write
    if complete is not None:
        print(f"{folder}: this race is complete, nothing to do")
        return {**complete, "failed": []}
    data, entrants = _read(options, resolve)
    make_folder(options.out, "race")
    with locked(folder):
        check_folder(options)  # whoever held it has written since
        write_config(folder, replace(options, out=str(folder), resume=None))
        write_entrants(folder, entrants)
        return _Race(options, folder, data, {one.name: one for one in entrants}, clock, train).run()


def _read(options: RaceOptions, resolve: Resolve) -> tuple[SegmentationData, list[Entrant]]:
    """The data as the trainings see them, and the networks; all is checked."""
    recipe, folder = part_of(RetrainOptions, options), Path(options.out)
    whole: list[SegmentationData] = []

    def resolved(name: str) -> Architecture:  # called when all files have been found
        whole[:] = whole or [load(options.data)]
        return resolve(name, len(whole[0].classes))

    goes_on = (folder / ENTRANTS).is_file()
    entrants = read_entrants(folder) if goes_on else find_entrants(options.entrants, resolved)
    unfinished = [] if goes_on else find_unfinished(options.entrants)
    if unfinished:
        print(f"note: {left_out(unfinished)}", file=sys.stderr, flush=True)
    given = whole[0] if whole else load(options.data)
    check_data(recipe, given, entrants[0].architecture, goes_on=goes_on)
    data = held_out(given, options.hold_out, recipe)
    for one in entrants:
        check_data(recipe, data, one.architecture)
        check_network(one.name, one.architecture, num_classes=len(data.classes), copies=TRAINED)
    stages = plan(recipe, entrants[0].architecture)
    warn(few_training_steps(recipe, stages, max(len(data.train) // options.data.batch, 1)))
    return data, entrants


@dataclass(eq=False)
class _Race:
    """A race that can run.

    Args:
        options: checked options.
        folder: the race's, held by this process.
        data: as the trainings see them.
        entrants: by name.
        clock: measures the milliseconds of networks with their heads, from the number of classes.
        train: runs the trainings of a round; None for ``train_all``.
    """

    options: RaceOptions
    folder: Path
    data: SegmentationData
    entrants: Mapping[str, Entrant]
    clock: Clock
    train: TrainAll | None

    def __post_init__(self) -> None:
        self.recipe = part_of(RetrainOptions, self.options)
        self.costs = {name: self._cost(one.architecture) for name, one in self.entrants.items()}
        self.rows = {row.key: row for row in read_rows(self.folder / TABLE, self.entrants, self.options.seeds)}
        self.sizes = sizes(len(self.entrants), self.options)

    def _cost(self, network: Architecture) -> Cost:
        head = plan(self.recipe, network)[-1].head
        return cost(network, parse_size(self.options.data.size), len(self.data.classes), head)

    def _latencies(self) -> dict[str, float]:
        """Milliseconds of each network, measured once, while nothing is trained; none where they cannot be measured."""
        file = self.folder / SUMMARY
        if file.is_file():
            told = read_summary(file, ("entrants",))["entrants"]
            known = {one["name"]: one["milliseconds"] for one in told if one.get("milliseconds") is not None}
            if known.keys() == self.entrants.keys():
                return known
        networks = [one.architecture for one in self.entrants.values()]
        headed = [(network, plan(self.recipe, network)[-1].head) for network in networks]
        try:
            return dict(zip(self.entrants, self.clock(headed, len(self.data.classes)), strict=True))
        except InputError as error:
            print(f"note: no latency in the tables: {error}", file=sys.stderr, flush=True)
            return {}

    def run(self) -> dict[str, Any]:
        """All rounds, from the first on: what is in the table is not trained again."""
        summary, names = self._facts(), list(self.entrants)
        steps = " -> ".join(map(str, [*self.sizes, 1 if self.options.rounds is None else "the best"]))
        total = sum(self.sizes) * len(self.options.seeds)
        images = f"{len(self.data.train)} training images train, {len(self.data.val)} held out score"
        print(f"race        {self.folder}: networks {steps}, {len(self.rows)} of {total} trainings are done; {images}")
        for one in self.entrants.values():
            if len(one.names) > 1:
                print(f"            {one.name} is the same network as {', '.join(one.names[1:])}")
        write_json(self.folder / SUMMARY, summary)  # no latency is measured twice
        for number in range(1, len(self.sizes) + 1):
            failed = self._train(number, names)
            if failed:
                write_json(self.folder / SUMMARY, summary)
                return {**summary, "failed": failed}
            part = self._standings(number, names)
            summary["rounds"].append(part)
            summary["minutes"] = sum(row.minutes for row in self.rows.values())
            names = [one["name"] for one in part["networks"] if one["stays"]]
            print(f"\n{round_text(part, summary)}", flush=True)
            if number < len(self.sizes):
                write_json(self.folder / SUMMARY, summary)
        summary["winner"] = self._winner(summary["rounds"][-1])
        write_atomic(self.folder / ARCHITECTURE, self.entrants[summary["winner"]["name"]].architecture.to_json())
        write_json(self.folder / SUMMARY, summary)
        return {**summary, "failed": []}

    def _train(self, number: int, names: Sequence[str]) -> list[str]:
        """Train what a round lacks; returns a line for each failure."""
        epochs = self.options.epochs * 2 ** (number - 1)
        # Seed by seed: all networks have the first before any has the next.
        planned = [
            Planned(name, self.entrants[name].architecture, seed)
            for seed in self.options.seeds
            for name in names
            if (number, name, seed) not in self.rows
        ]
        progress = Progress(f"race, round {number}", len(planned))

        def add(one: Planned, result: Trained | str) -> None:
            if not isinstance(result, str):
                row = RaceRow(number, epochs, one.name, one.seed, result.miou, result.minutes)
                self.rows[row.key] = row
                write_rows(self.folder / TABLE, self._in_order(), self.costs)
            progress.add(one, result)

        setup = TrainingSetup(replace(self.recipe, epochs=epochs), self.options.hold_out)
        try:
            (self.train or train_all)(planned, setup, self.options.workers, self.options.threads_each, add)
        finally:
            progress.close()
        return progress.failed

    def _in_order(self) -> list[RaceRow]:
        """The same table, in whatever order the trainings end."""
        names, seeds = list(self.entrants), self.options.seeds
        return sorted(self.rows.values(), key=lambda row: (row.round, seeds.index(row.seed), names.index(row.name)))

    def _scores(self, number: int, name: str) -> list[float]:
        return [self.rows[number, name, seed].miou for seed in self.options.seeds]

    def _standings(self, number: int, names: Sequence[str]) -> dict[str, Any]:
        """A round of ``race.json``."""
        last = number == len(self.sizes)
        stay = 1 if last else kept(len(names), self.options.keep)
        scores = {name: self._scores(number, name) for name in names}
        standings = rank(scores, {name: self.costs[name].macs_total for name in names}, stay)
        stays, leaves = standings[stay - 1].name, standings[stay].name
        lead, error = difference(scores[stays], scores[leaves])
        return {
            "round": number,
            "epochs": self.options.epochs * 2 ** (number - 1),
            "networks": [asdict(one) for one in standings],
            "border": {"stays": stays, "leaves": leaves, "lead": lead, "error": error},
        }

    def _winner(self, part: Mapping[str, Any]) -> dict[str, Any]:
        first, border = part["networks"][0], part["border"]
        names = self.entrants[first["name"]].names
        won = {"name": first["name"], "names": names, "miou": first["miou"], "error": first["error"]}
        won |= {"second": border["leaves"], "lead": border["lead"], "lead_error": border["error"]}
        return {**won, "epochs": part["epochs"]}

    def _facts(self) -> dict[str, Any]:
        """What ``race.json`` says of the race before its first round."""
        options, device = self.options, resolve_device(self.options.device)
        of_data = {key: value for key, value in asdict(options.data).items() if key not in ("root", "classes")}
        recipe = {"stages": options.stages, "precision": options.precision, "train": asdict(options.train)}
        latencies = self._latencies()
        entrants = [
            {
                "name": name,
                "names": one.names,
                "macs": self.costs[name].macs_total,
                "params": self.costs[name].params,
                "milliseconds": latencies.get(name),
            }
            for name, one in self.entrants.items()
        ]
        return {
            "entrants": entrants,
            "seeds": options.seeds,
            "planned_rounds": len(self.sizes),
            "hold_out": options.hold_out,
            "train_images": len(self.data.train),
            "held_out_images": len(self.data.val),
            "data": {**of_data, "classes": self.data.classes},
            "data_flags": data_flags(options.data),
            "recipe": recipe,
            "machine": processor_name() if device == "cpu" else device_name(device),
            "versions": versions(),
            "date": date.today().isoformat(),
            "rounds": [],
            "winner": None,
        }
