"""Search a network: with no arguments, on the embedded street scenes in the compact space."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.data import SegmentationData, load
from experiments.options.arguments import parse
from experiments.options.groups import data_flags, part_of
from experiments.report.page import write_report
from experiments.runs.files import write_atomic
from experiments.runs.folder import CONFIG, new_run, read_summary, resumed, write_config
from experiments.runs.lock import locked
from experiments.runs.processes import program
from experiments.search.bounds import TABLE, latency_table, make_constraint
from experiments.search.multi_trial import MultiTrialSearch
from experiments.search.one_shot import Search
from experiments.search.options import SearchOptions, SearchRunOptions, check_data, check_options
from nas_space.architecture import Architecture, baseline1
from nas_space.cost import cost
from nas_space.errors import InputError
from strategies.constraint import Constraint
from strategies.registry import MULTI_TRIAL, NNI_STRATEGIES, STRATEGIES

ENOUGH_STEPS = "it takes some 500 to 1000 with the default method"
"""What searches of the compact space took, on street scenes and on CamVid."""

Options = SearchRunOptions


def run(options: Options) -> dict[str, Any]:
    """Search, write the run's files, print what was found.

    Returns:
        The content of ``search.json`` and the run's folder.
    """
    before = resumed("search", options)
    if before is not None:
        with locked(before):
            return _resume(before)
    check_options(options)
    data = load(options.data)
    check_data(options, data)
    make_constraint(options, len(data.classes))  # what cannot be met is told before latency is measured
    table = latency_table(options, len(data.classes))
    constraint = make_constraint(options, len(data.classes), table)
    with new_run(options.out, "search", options.strategy.replace(":", ".")) as folder:
        print(
            f"run folder      {folder}", flush=True
        )  # the default's name holds the time: whoever interrupts must know it
        write_config(folder, replace(options, out=str(folder)))
        if table is not None:
            write_atomic(folder / TABLE, table.to_json())
        return _execute(options, folder, None, data, constraint)


def _resume(folder: Path) -> dict[str, Any]:
    options, _ = parse("ssr-nas search", "", Options, [f"--config={folder / CONFIG}"])
    check_options(options)
    if options.strategy in NNI_STRATEGIES:
        raise InputError(
            f"--resume {folder}: {options.strategy} is NNI's own and cannot be continued; start again with another --out"
        )
    if (folder / "search.json").is_file():
        summary = read_summary(folder / "search.json")
        if not (folder / "report.html").is_file():  # killed between the two
            write_report(folder)
        print(f"{folder}: this search is complete, nothing to do")
        return {**summary, "run": str(folder)}
    checkpoint = folder / "checkpoints" / "last.ckpt"
    data = load(options.data)
    constraint = make_constraint(options, len(data.classes), latency_table(options, len(data.classes), folder))
    return _execute(options, folder, checkpoint if checkpoint.exists() else None, data, constraint)


def _execute(
    options: Options, folder: Path, checkpoint: Path | None, data: Any, constraint: Constraint | None
) -> dict[str, Any]:
    own = part_of(SearchOptions, options)
    kind = MultiTrialSearch if own.strategy in MULTI_TRIAL else Search
    summary = kind(own, data, folder, constraint).execute(checkpoint)
    write_report(folder)
    print(describe(folder, summary, options, data))
    return {**summary, "run": str(folder)}


def describe(folder: Path, summary: dict[str, Any], options: Options, data: SegmentationData) -> str:
    """The closing summary: the network, its cost beside baseline1, the gap, and the next command."""
    architecture = Architecture.load(folder / "architecture.json")
    reference = cost(baseline1(architecture.space), options.cost_size, len(data.classes))
    own, gap, miou = summary["cost"], summary["gap"], summary["miou"]
    state = _state(summary, options, len(data.train))
    bounds = [
        f"  {'bound':<14}{_number(bound['limit']):>14}   on {name}: found {_number(bound['found'])}, {'met' if bound['met'] else 'NOT MET'}"
        for name, bound in summary.get("constraint", {}).items()
    ]
    lines = [
        "",
        f"found network ({options.strategy}, {state})",
        "",
        architecture.table(),
        "",
        f"  parameters    {own['params']:>14,.0f}   {own['params'] / reference.params:.2f} of baseline1",
        f"  MACs          {own['macs_total']:>14,.0f}   {own['macs_total'] / reference.macs_total:.2f} of baseline1, at {own['size']}",
        *bounds,
        f"  mIoU          {100 * miou['supernet']:>13.1f}%   super-network, {100 * miou['derived']:.1f}% derived network",
        f"  loss          {gap['loss_supernet']:>14.4f}   super-network, {gap['loss_derived']:.4f} derived network",
        f"  time          {summary['time']['total_s']:>13.0f}s   search with its validation",
        "",
        f"run folder      {folder}  (report.html, architecture.json, search.json, metrics.csv)",
        f"next            {program()} retrain --arch {shlex.quote(str(folder / 'architecture.json'))}{data_flags(options.data)}",
    ]
    return "\n".join(lines)


def _number(value: float) -> str:
    """Parameters and MACs whole, milliseconds with what follows the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.6g}"


def _state(summary: dict[str, Any], options: Options, images: int) -> str:
    """How the search came to its network, in words."""
    if options.strategy in MULTI_TRIAL:
        return f"the best of {len(summary['time']['epoch_s'])} sampled networks, each trained by itself"
    if summary["discrete"]:
        rules = sorted({removal["rule"] for removal in summary["removals"]} - {"cascade"})
        since = f"discrete since epoch {summary['discrete_epoch']} of {summary['epochs']}"
        return f"{since}, by {' and '.join(rules)} alone" if rules else since
    entropy = f"{summary['entropy']['final']:.1f} nats"
    state = f"not discrete after {summary['epochs']} epochs, entropy {entropy}: cut to the most probable candidates"
    thresholds = [name for name in STRATEGIES if name.startswith("ssr")]
    if options.strategy not in thresholds:
        return state
    steps = options.epochs * max(int(images * (options.method.arch_split or 1.0)) // options.data.batch, 1)
    return f"{state}; {steps} steps were too few, {ENOUGH_STEPS}: raise --epochs or --method.lr, or lower --data.batch"
