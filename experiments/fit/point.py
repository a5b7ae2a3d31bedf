"""One point of a fit: searches, hand-made networks, race, final training and exported files for one latency."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.data import load
from experiments.fit.calibrate import train_options, training_step
from experiments.fit.contest import TOLERANCE, candidates, network_of, passed_over, run_race
from experiments.fit.entrants import scale_hand_made, search_options
from experiments.fit.export import export_and_time
from experiments.fit.searching import read_options
from experiments.fit.shared import Shared
from experiments.fit.work import COMFORT, PARTS, Epochs, Work, divide, work_of
from experiments.model_file import WEIGHTS
from experiments.options.quantity import compact
from experiments.runs.folder import CONFIG
from experiments.runs.tables import number
from experiments.training.recipe import RetrainOptions
from nas_space.architecture import Architecture

MEASURED = 4.0
"""Seconds of steps of each stage that tell how long the final training takes."""


class Point:
    """The work for one latency.

    Args:
        shared: of all points.
        target: milliseconds.
        share: of the time that is left when it begins, in (0, 1].
        reserve: seconds to be left for what comes after all points.
    """

    def __init__(self, shared: Shared, target: float, share: float, reserve: float) -> None:
        self.shared, self.target = shared, target
        self.name = f"{compact(target)}ms"
        self.folder = shared.folder / self.name
        ledger = shared.ledger
        self._end = ledger.left - share * (ledger.left - reserve)  # what the ledger has left when this point is done
        self._count = shared.plan.searches  # or fewer, where they take longer

    def run(self) -> dict[str, Any]:
        """Do all of it; returns the point's part of ``fit.json``."""
        options = self.shared.options
        # A larger one than any of the space would train longer than the plan has counted with.
        bound = float(f"{min(self.target, self.shared.span[1]):.4g}")  # their names tell it
        names = {f"{one}@{compact(bound)}ms": one for one in options.hand_made}
        if options.hand_made and self.target > self.shared.span[1]:
            bound_ms = f"{compact(bound)} ms, as its slowest"
            print(f"{self.name}: every network of the space is faster; the hand-made ones are scaled to {bound_ms}")
        made = [self._step(name, self._hand_made(name, one, bound)) for name, one in names.items()]
        found = self._searches()  # after them, so that it is known what they have left
        entrants = [one["folder"] for one in [*found, *made] if one["folder"] is not None]
        raced = self._step("race", lambda folder: self._race(folder, entrants))
        tried: list[dict[str, Any]] = []
        if why := passed_over(raced["networks"], self.target):
            print(f"{self.name}: {why}")
        for place, one in enumerate(candidates(raced["networks"], self.target)):
            if tried:
                print(f"{self.name}: {tried[-1]['name']} is too slow; the next network of the race is taken")
            tried.append(self._train_and_export(place, one))
            if tried[-1]["ms"] <= TOLERANCE * self.target:
                break
        chosen = min(tried, key=lambda one: (one["ms"] > TOLERANCE * self.target, one["ms"]))
        return {
            "target_ms": self.target,
            "holds": chosen["ms"] <= TOLERANCE * self.target,
            "chosen": chosen,
            "tried": tried,
            "searches": found,
            "hand_made": made,
            "race": raced,
        }

    def _searches(self) -> list[dict[str, Any]]:
        """All planned searches, or fewer where they have taken longer than the plan has counted with.

        After a kill there are the same ones: those that have begun, and no further one once the race has begun.
        """
        found: list[dict[str, Any]] = []
        while self._count > len(found):
            fitting = self._fitting(found)
            if fitting < self._count - len(found):
                self._count = len(found) + fitting
                print(f"{self.name}: searches take longer than planned, so there are only {self._count}")
            if fitting:
                found.append(self._step(f"search-{len(found)}", self._search(len(found), found)))
        return found

    def _fitting(self, found: Sequence[Mapping[str, Any]]) -> int:
        """How many further searches there are: those that leave all parts what is comfortable."""
        planned = self._count - len(found)
        if not found or self.shared.wishes.searches is not None:
            return planned
        has_begun = (self.folder / f"search-{len(found)}").exists()
        if not has_begun and (self.folder / "race").exists():
            return 0
        for count in range(planned, 0, -1):
            work = self._work(count, found)
            if work.total(work.at_least(COMFORT)) <= self._left:
                return count
        return 1 if has_begun else 0

    def _step(self, name: str, work: Any) -> dict[str, Any]:
        return self.shared.ledger.step(f"{self.name}, {name}", self.folder / name, work)

    @property
    def _left(self) -> float:
        """Seconds that are left for this point."""
        return self.shared.ledger.left - self._end

    def _work(self, searches: int, found: Sequence[Mapping[str, Any]]) -> Work:
        """What is to be done after ``found`` with so many further searches.

        An epoch of a further one takes as long as one of those that are found.
        """
        shared, plan = self.shared, replace(self.shared.plan, searches=len(found) + searches)
        work = work_of(shared.facts, shared.speeds, shared.wishes, plan, PARTS, searches)
        if not found:
            return work
        epoch = sum(one["seconds"] for one in found) / sum(one["epochs"] for one in found)
        return replace(work, seconds={**work.seconds, "search": searches * epoch})

    def _search_epochs(self, found: Sequence[Mapping[str, Any]]) -> int:
        """Of each further search."""
        return divide(self._left, self._work(self._count - len(found), found)).search

    def _epochs(self, left: Sequence[str], training_s: float | None = None) -> Epochs:
        """What the parts after the searches get of the time that is left."""
        shared = self.shared
        plan = replace(shared.plan, searches=self._count)
        work = work_of(shared.facts, shared.speeds, shared.wishes, plan, left)
        if training_s is not None:
            work = replace(work, seconds={**work.seconds, "train": training_s})
        return divide(self._left, work)

    def _search(self, place: int, found: Sequence[Mapping[str, Any]]) -> Any:
        def work(folder: Path) -> dict[str, Any]:
            if (folder / CONFIG).is_file():
                options = read_options(folder)
            else:
                options = search_options(self.shared, self.target, place, self._search_epochs(found), folder)
            summary = self.shared.runner.search(options, folder)
            told = {"epochs": options.epochs, "discrete": summary["discrete"], "seconds": summary["time"]["total_s"]}
            return {"name": folder.name, "folder": self.shared.relative(folder), **told}

        return work

    def _hand_made(self, name: str, reference: str, bound: float) -> Any:
        def work(folder: Path) -> dict[str, Any]:
            note = scale_hand_made(self.shared, reference, bound, folder)
            return {"name": name, "folder": None if note else self.shared.relative(folder), "note": note}

        return work

    def _race(self, folder: Path, entrants: Sequence[str]) -> dict[str, Any]:
        return run_race(
            self.shared, folder, entrants, TOLERANCE * self.target, lambda: self._epochs(("race", "train")).race
        )

    def _train_and_export(self, place: int, one: Mapping[str, Any]) -> dict[str, Any]:
        name, network = one["name"], self._network(one["name"])
        trained = self._step(f"train-{place + 1}", lambda folder: self._train(folder, name, network))
        run, out = self.folder / f"train-{place + 1}", self.folder / f"export-{place + 1}"

        def export(folder: Path) -> dict[str, Any]:
            for leftover in folder.iterdir():  # of a killed try
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            options, bound = self.shared.options, TOLERANCE * self.target
            return export_and_time(run, folder, options.engine, options.engine_threads, options.most_lost, bound)

        exported = self._step(out.name, export)
        told = f"{number(exported['ms'])} ms of {number(self.target)}"
        print(f"{self.name}: {name}: mIoU {number(100 * trained['miou'], 1)} % on the validation split, {told}")
        files = {"run": self.shared.relative(run), "export": self.shared.relative(out)}
        return {"name": name, **files, **trained, **exported}

    def _network(self, name: str) -> Architecture:
        return network_of(self.folder / "race", name)

    def _train(self, folder: Path, name: str, network: Architecture) -> dict[str, Any]:
        def decide() -> RetrainOptions:
            plan, options = self.shared.plan, self.shared.options
            one = train_options(options, plan.size_text, plan.batch, plan.stages, 1)
            return replace(one, epochs=self._epochs(("train",), training_s=self._training_seconds(one, network)).train)

        weights = self.folder / name / WEIGHTS  # a search has left some where it was discrete
        begins = self.shared.options.init == "search" and weights.is_file()
        summary = self.shared.runner.train(folder, name, network, decide, weights if begins else None)
        cost = {key: summary["cost"][key] for key in ("params", "macs_total")}
        init = self.shared.relative(weights.parent) if begins else None
        return {"miou": summary["miou"], "epochs": summary["epochs"], "cost": cost, "init": init}

    def _training_seconds(self, options: RetrainOptions, network: Architecture) -> float:
        """Of an epoch of all stages of this very network."""
        data = load(replace(options.data, limit=2 * options.data.batch), remarks=False)
        steps = max(self.shared.facts.train // options.data.batch, 1)
        alone = [replace(options, stages=[one]) for one in options.stages]
        return steps * sum(training_step(one, data, network, MEASURED) for one in alone)
