"""Search a network; without arguments, on street scenes.

The street scenes come with the package, and so does the compact space that is searched then.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.options.arguments import parse
from experiments.runs.decoration import decoration
from experiments.runs.folder import CONFIG, new_run, old_run, read_summary, resumed, write_config
from experiments.search.closing import describe
from experiments.search.options import SearchRunOptions, check_options
from nas_space.architecture import Architecture
from nas_space.errors import InputError

if TYPE_CHECKING:
    from experiments.search.prepare import PreparedSearch

Options = SearchRunOptions


def run(options: Options) -> dict[str, Any]:
    """Search, write the run's files, print the network; return the content of ``search.json`` and the run's folder."""
    from experiments.search.prepare import prepare_search
    from strategies.registry import NNI_STRATEGIES

    before = resumed("search", options)
    if before is not None:
        with old_run(before, "search", _is_complete(before)):
            return _resume(before)
    if len(options.target.values) > 1:
        return _run_targets(options)
    check_options(options)
    prepared = prepare_search(options)
    is_ours = options.strategy not in NNI_STRATEGIES
    with new_run(options.out, "search", options.strategy.replace(":", "."), can_resume=is_ours) as folder:
        print(f"run folder      {folder}", flush=True)  # whoever interrupts must know the default's name
        write_config(folder, replace(options, out=str(folder)))
        prepared.write_table(folder)
        return _execute(prepared, folder)


def _is_complete(folder: Path) -> bool:
    """Whether nothing is left to be searched, for one target or for several."""
    from experiments.search.targets import FRONT

    runs = [run for run in folder.iterdir() if (run / CONFIG).is_file()] if (folder / FRONT).is_file() else [folder]
    return all((run / "search.json").is_file() for run in runs)


def _resume(folder: Path) -> dict[str, Any]:
    from experiments.search.prepare import prepare_search
    from strategies.registry import NNI_STRATEGIES

    options, _ = parse("ssr-nas search", "", Options, [f"--config={folder / CONFIG}"])
    if len(options.target.values) > 1:
        return _search_targets(options, folder)
    check_options(options)
    if options.strategy in NNI_STRATEGIES:
        what = f"{options.strategy} is NNI's own and cannot be continued"
        raise InputError(f"--resume {folder}: {what}; start again with another --out")
    if (folder / "search.json").is_file():
        summary = read_summary(folder / "search.json")
        if not (folder / "report.html").is_file():  # killed between the two
            _report(folder)
        print(f"{folder}: this search is complete, nothing to do")
        return {**summary, "run": str(folder)}
    return _execute(prepare_search(options, folder), folder)


def _run_targets(options: Options) -> dict[str, Any]:
    """One search for each target, in a folder of its own; nothing is written before all of them can be met."""
    from experiments.search.bounds import make_constraint
    from experiments.search.prepare import prepare_search
    from experiments.search.targets import one_by_one

    options.target.check(options.constraint)
    prepared = None
    for one in one_by_one(options).values():
        check_options(one)
    for one in one_by_one(options).values():
        if prepared is None:
            prepared = prepare_search(one)
        make_constraint(one, len(prepared.data.classes), prepared.table)
    assert prepared is not None
    with new_run(options.out, "search", options.strategy.replace(":", ".")) as folder:
        print(f"run folder      {folder}", flush=True)
        write_config(folder, replace(options, out=str(folder)))
        prepared.write_table(folder)
        return _search_targets(options, folder)


def _search_targets(options: Options, folder: Path) -> dict[str, Any]:
    """Search what is missing, then write, print and return the front."""
    from experiments.search.prepare import prepare_search
    from experiments.search.targets import front_rows, front_table, one_by_one, write_front

    searches, is_complete = one_by_one(options), _is_complete(folder)
    for number, (name, one) in enumerate(searches.items(), 1):
        run = folder / name
        if not is_complete:
            print(f"\ntarget {number} of {len(searches)}: {name}", flush=True)
        if (run / CONFIG).is_file():
            _resume(run)
            continue
        prepared = prepare_search(one, folder)  # the table of the first is that of all
        run.mkdir(exist_ok=True)
        write_config(run, replace(one, out=str(run)))
        prepared.write_table(run)
        _execute(prepared, run)
    rows = front_rows(folder, list(searches))
    if not is_complete:
        write_front(folder, rows)
    print(f"\nfront of {len(rows)} targets ({options.strategy}), {front_table(rows)}\n")
    print(f"run folder      {folder}  (front.json, figures/front.png, a run folder for each target)")
    return {"networks": rows, "run": str(folder)}


def _execute(prepared: "PreparedSearch", folder: Path) -> dict[str, Any]:
    summary = prepared.execute(folder)
    speed = _speed(prepared, folder)
    _report(folder)
    print(describe(folder, summary, prepared.options, prepared.data, speed))
    return {**summary, "run": str(folder)}


def _speed(prepared: "PreparedSearch", folder: Path) -> list[str]:
    """How fast the found network is, in lines and as ``speed.json``; nothing where that could not be told."""
    lines: list[str] = []
    with decoration("the latency of the found network"):
        from experiments.latency.closing import describe_speed, measured, predicted, write_speed

        network, size = Architecture.load(folder / "architecture.json"), prepared.options.cost_size
        table, classes = prepared.table, len(prepared.data.classes)
        speed = (
            measured(network, size, classes, prepared.options.counted_head, prepared.options.threads)
            if table is None
            else predicted(network, table)
        )
        lines = describe_speed(speed)
        write_speed(folder, speed)
    return lines


def _report(folder: Path) -> None:
    with decoration(f"the report {folder / 'report.html'}"):
        from experiments.report.page import write_report

        write_report(folder)
