"""A fit from its first look at the data to the folder to take away; a killed one goes on where it was."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.fit.calibrate import calibration_sizes, own_head, time_networks, time_steps
from experiments.fit.deliver import deliver
from experiments.fit.facts import Facts, Speeds, Wishes
from experiments.fit.ledger import Ledger
from experiments.fit.look import look, sized
from experiments.fit.options import AUTO, FitOptions, check_fit, resolve_space
from experiments.fit.page import photo_line, unscored, verdict
from experiments.fit.plan import DELIVERY, batch_size, candidate_sizes, describe, make_plan, possible
from experiments.fit.point import Point
from experiments.fit.runner import Runner
from experiments.fit.shared import Shared
from experiments.fit.web import runner_of
from experiments.fit.work import Plan
from experiments.latency.cache import Wanted, find_table
from experiments.latency.options import TableOptions
from experiments.latency.wording import describe_clock
from experiments.options.groups import parse_size
from experiments.runs.files import write_atomic, write_json
from experiments.runs.folder import new_run, prepare_run, read_summary, write_config
from experiments.runs.lock import locked
from experiments.runs.progress import said
from experiments.runs.resumable import resumable
from experiments.runs.tables import duration
from experiments.search.options import SearchOptions, check_options
from experiments.search.prepare import load_data
from nas_space.errors import InputError
from nas_space.latency import LatencyTable

KEPT_BACK = 0.05
"""Of the minutes: what the last part may take longer than was measured, for nothing comes after it that could give."""
SUMMARY, PLAN, TABLE = "fit.json", "plan.json", "latency.json"
DELIVER = "deliver"
TABLE_SECONDS = {"compact": 150.0, "pyramid": 400.0, "paper": 400.0}
"""Seconds that a latency table takes where the cache has none."""


@dataclass(frozen=True)
class Begun:
    """What is known and decided when a fit begins to train."""

    facts: Facts
    speeds: Speeds
    plan: Plan
    spent: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values; ``from_dict`` is the inverse."""
        return {
            "facts": asdict(self.facts),
            "speeds": asdict(self.speeds),
            "plan": self.plan.to_dict(),
            "spent": self.spent,
        }

    @classmethod
    def read(cls, file: Path) -> "Begun":
        """Read ``plan.json``.

        Raises:
            InputError: it is missing or damaged.
        """
        content = read_summary(file, ("facts", "speeds", "plan", "spent"))
        try:
            facts = Facts(**{**content["facts"], "side": tuple(content["facts"]["side"])})
            return cls(
                facts, Speeds.from_dict(content["speeds"]), Plan.from_dict(content["plan"]), content["spent"] + 0.0
            )
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise InputError(f"{file}: is damaged ({type(error).__name__}); begin anew in another folder") from None


def wishes_of(options: FitOptions) -> Wishes:
    """What the options leave to the plan, and what they do not."""
    keys = ("stages", "searches", "search_epochs", "race_epochs", "train_epochs", "init")
    return Wishes(
        targets=options.targets,
        hand_made=len(options.hand_made),
        batch=options.data.batch,
        size=None if options.size == AUTO else parse_size(options.size),
        trials_at_once=options.at_once if options.web else 0,
        **{key: getattr(options, key) for key in keys},
    )


def prepare(options: FitOptions) -> Begun:
    """Look, measure and plan; nothing is written.

    Args:
        options: checked options.

    Raises:
        InputError: what is wrong with the data, or too little time, with the fewest minutes.
    """
    start = time.monotonic()
    wishes = wishes_of(options)
    space = resolve_space(options, options.space.presets()[0])
    facts = look(options, space)
    shape = "{}x{}".format(*facts.side)
    print(
        f"data: {facts.train} training and {facts.val} validation photos of {shape}, {facts.classes} classes",
        flush=True,
    )
    sizes = candidate_sizes(facts.side) if wishes.size is None else [wishes.size]
    least = max(resolve_space(options, preset).smallest_side for preset in options.space.presets())
    sizes = [size for size in sizes if min(size) >= least] or [(max(sizes[0][0], least), max(sizes[0][1], least))]
    print("measuring a few networks and steps: a minute or two where nothing else runs", flush=True)
    pair = calibration_sizes(sizes)
    heads = ["encoder", "aggregation"] if options.stages is None else [options.stages[-1]]
    speeds = time_networks(options, facts, pair[-1], heads)
    presets = list(dict.fromkeys(space for _, _, space in possible(sizes, wishes, speeds)))
    speeds = time_steps(options, facts, speeds, presets, batch_size(options.data.batch, facts.train), pair)

    def table_seconds(preset: str, size: tuple[int, int], head: str) -> float:
        wanted = wanted_table(options, facts, preset, size, head)
        return 0.0 if wanted.file().is_file() else TABLE_SECONDS[preset]

    spent = time.monotonic() - start
    plan = make_plan(options.budget - spent, sizes, facts, speeds, wishes, table_seconds, spent)
    print("\n".join(describe(plan, wishes, facts)), flush=True)
    return Begun(facts, speeds, plan, spent)


def wanted_table(options: FitOptions, facts: Facts, preset: str, size: tuple[int, int], head: str) -> Wanted:
    """The latency table of a plan."""
    own = own_head(resolve_space(options, preset), head)
    of_table = TableOptions(space=options.space.of(preset), size="{}x{}".format(*size), classes=facts.classes, head=own)
    return of_table.wanted(options.engine, "fp32", options.engine_threads)


def check_at_size(options: FitOptions, plan: Plan) -> None:
    """Refuse data that no search can begin with at the plan's size.

    Raises:
        InputError: what is wrong with it.
    """
    data = sized(options, plan.size_text, plan.batch)
    search = SearchOptions(seed=options.seed, data=data, space=options.space.of(plan.space))
    check_options(search)
    load_data(search)


def located(options: FitOptions) -> FitOptions:
    """The same options with whole paths of the photos, so that a fit goes on from any current folder."""

    def whole(path: str | None) -> str | None:
        return None if path is None else str(Path(path).absolute())

    data = replace(options.data, root=whole(options.data.root), classes=whole(options.data.classes))
    return replace(options, source=whole(options.source), data=data)


def check_out(options: FitOptions) -> None:
    """Refuse a run folder among the photos: its pictures would be read as photos when the data are read again.

    Raises:
        InputError: the folder, and what to give.
    """
    root, out = options.photos().root, Path(options.out or "runs").resolve()
    if root is not None and Path(root).resolve() in (out, *out.parents):
        raise InputError(f"--out {out}: lies in {root}, among the photos; give --out a folder elsewhere")


def begin(options: FitOptions) -> dict[str, Any]:
    """A new fit.

    Returns:
        The content of ``fit.json`` and ``run``; of a dry run the plan alone.
    """
    start = time.monotonic()
    options = located(options)
    if options.dry_run:
        check_fit(options)
        plan = prepare(options).plan
        return {"plan": plan.to_dict(), "minutes": dict(plan.minutes)}
    check_out(options)
    if options.out is not None and Path(options.out).exists():
        prepare_run(options.out, "fit", "fit")  # refuses one that holds something, before anything is measured
    check_fit(options)
    with runner_of(options) as runner:  # the web UI is there before anything is begun, or nothing is
        begun = prepare(options)
        check_at_size(options, begun.plan)
        begun = replace(begun, spent=time.monotonic() - start)
        with new_run(options.out, "fit", "fit") as folder:
            print(f"run folder  {folder}", flush=True)
            write_json(folder / PLAN, begun.to_dict())
            write_config(folder, replace(options, out=str(folder)))
            return go_on(options, folder, begun, runner)


def resume(options: FitOptions, folder: Path) -> dict[str, Any]:
    """Go on with a fit that was killed, or tell what a complete one has found.

    Args:
        options: of the fit, as it is to go on.
        folder: of the fit.

    Returns:
        As of ``go_on``.
    """
    with locked(folder):
        begun, is_complete = Begun.read(folder / PLAN), (folder / SUMMARY).is_file()
        with runner_of(replace(options, web=options.web and not is_complete)) as runner, resumable("fit", folder):
            return go_on(options, folder, begun, runner)


def go_on(options: FitOptions, folder: Path, begun: Begun, runner: Runner) -> dict[str, Any]:
    """Do what is not done yet; the same for a new and for a killed fit.

    Args:
        options: of the fit.
        folder: held by this process.
        begun: content of ``plan.json``.
        runner: runs the searches and trainings.

    Returns:
        The content of ``fit.json``, and ``run``.
    """
    facts, plan, folder = begun.facts, begun.plan, folder.absolute()
    ledger, wishes = Ledger(options.budget, begun.spent), wishes_of(options)

    def make_table(place: Path) -> dict[str, Any]:
        wanted = wanted_table(options, facts, plan.space, plan.size, plan.stages[-1])
        table = find_table(wanted, progress=said("latency table", print))
        write_atomic(place / TABLE, table.to_json())
        return {"span": table.span(), "clock": describe_clock(table)}

    timed = ledger.step("latency table", folder / "latency", make_table)
    file = folder / "latency" / TABLE
    LatencyTable.load(file)  # damaged since: told before anything is searched
    low, high = timed["span"]
    shared = Shared(options, wishes, facts, begun.speeds, plan, ledger, folder, file, (low, high), runner)
    reserve = DELIVERY + KEPT_BACK * options.budget
    points: list[dict[str, Any]] = []
    for place, target in enumerate(options.targets):
        point = Point(shared, target, 1 / (len(options.targets) - place), reserve)
        points.append({"name": point.name, **point.run()})
    minutes = {"data check, calibration and plan": begun.spent / 60, **ledger.minutes}
    title = f"{Path(options.source or options.data.name).name}: {points[0]['chosen']['name']}"
    told = {"minutes": minutes, "plan": describe(plan, wishes, facts), "title": title, "size": plan.size_text}
    scores = ledger.step(
        DELIVER, folder / DELIVER, lambda out: deliver(folder, out, points, told, options.engine_threads)
    )
    summary = {
        "points": points,
        "size": plan.size_text,
        "scores": scores,
        "minutes": {**minutes, DELIVER: ledger.minutes[DELIVER]},
    }
    if not (folder / SUMMARY).is_file():
        write_json(folder / SUMMARY, {**summary, "budget_minutes": options.minutes})
    return {**json.loads((folder / SUMMARY).read_text(encoding="utf-8")), "run": str(folder)}


def closing_lines(summary: dict[str, Any]) -> list[str]:
    """What a fit says at its end."""
    points: Sequence[dict[str, Any]] = summary["points"]
    scores = summary["scores"]
    lines = [f"{point['name']}: {verdict(point)}" for point in points]
    if "photo" in scores:  # not in those of an earlier version
        lines.insert(1, photo_line(scores, summary["size"]))  # of the first point's network
    spent = sum(summary["minutes"].values())
    lines.append(
        f"mIoU {100 * scores['miou']:.1f} % on the validation photos at their own size, "
        f"after {duration(60 * spent)} of {summary['budget_minutes']:g} minutes"
    )
    if missing := unscored(scores["per_class"]):
        lines.append(missing)
    return [
        *lines,
        f"to take away  {Path(summary['run']) / DELIVER}  (report.html, {points[0]['chosen']['file']}, predict.py)",
    ]
