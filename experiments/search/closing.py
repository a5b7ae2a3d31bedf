"""What a search says at its end: the network, its cost, what the cut took, and the next command."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.options.groups import data_flags
from experiments.runs.processes import program
from experiments.runs.tables import counted
from experiments.runs.wording import deciding_rules
from experiments.search.options import COUNTED, SearchOptions
from nas_space.architecture import Architecture, baseline1
from nas_space.cost import Cost, cost

if TYPE_CHECKING:
    from experiments.data import SegmentationData


def describe(
    folder: Path, summary: dict[str, Any], options: SearchOptions, data: "SegmentationData", speed: Sequence[str] = ()
) -> str:
    """The closing summary: the network, its cost and ``speed`` beside baseline1, the gap, and the next command."""
    architecture = Architecture.load(folder / "architecture.json")
    head, trained = options.counted_head, architecture.space.heads[1]
    reference = cost(baseline1(architecture.space), options.cost_size, len(data.classes), head)
    exact, gap = summary["cost"], summary["gap"]
    miou = summary["miou"]
    supernet, derived = (100 * miou[key] for key in ("supernet", "derived"))
    both = f"super-network, {derived:.1f}% derived network, labels at {miou['resolution']}"
    full = miou.get("derived_full")  # absent in files of earlier versions
    same = f"derived network, labels at {miou['resolution_full']} as in retrain" if full is not None else ""
    macs = f"{exact['macs_total'] / reference.macs_total:.2f} of baseline1, at {exact['size']}"
    retrain = f"{program()} retrain --arch {shlex.quote(str(folder / 'architecture.json'))}{data_flags(options.data)}"
    final = cost(architecture, options.cost_size, len(data.classes), trained)
    grown = f"{final.macs_total:,.0f} MACs: it adds the {trained} head"
    lines = [
        "",
        f"found network ({options.strategy}, {state(summary, options, len(data.train))})",
        "",
        architecture.table(),
        "",
        f"  parameters    {exact['params']:>14,.0f}   {exact['params'] / reference.params:.2f} of baseline1",
        f"  MACs          {exact['macs_total']:>14,.0f}   {macs}",
        *([] if head == trained else [f"  {'after retrain':<14}{final.params:>14,.0f}   parameters, {grown}"]),
        *(f"  {'latency' if i == 0 else '':<14}{line}" for i, line in enumerate(speed)),
        *_bounds(summary, options, final, trained),
        f"  mIoU          {supernet:>13.1f}%   {both}",
        *([] if full is None else [f"  {'':<14}{100 * full:>13.1f}%   {same}"]),
        f"  loss          {gap['loss_supernet']:>14.4f}   super-network, {gap['loss_derived']:.4f} derived network",
        f"  time          {summary['time']['total_s']:>13.0f}s   search with its validation",
        "",
        f"weights         {_weights(summary)}",
        f"run folder      {folder}  (report.html, architecture.json, search.json, metrics.csv)",
        f"next            {retrain}",
    ]
    return "\n".join(lines)


def _bounds(summary: Mapping[str, Any], options: SearchOptions, final: Cost, trained: str) -> list[str]:
    """Targets and bounds, whether they are met, and what becomes of them with the head that a retraining adds."""
    lines = []
    for name, one in summary.get("target", {}).items():
        missed = "" if one["met"] else ", NOT MET"
        found = f"on {name}: found {_amount(name, one['found'])}, {one['ratio']:.3f} of it{missed}"
        lines += [f"  {'target':<14}{_amount(name, one['target']):>14}   {found}"]
        lines += _with_final_head(name, one["target"], options, final, trained)
    for name, one in summary.get("constraint", {}).items():
        found = f"on {name}: found {_amount(name, one['found'])}, {'met' if one['met'] else 'NOT MET'}"
        lines += [f"  {'bound':<14}{_amount(name, one['limit']):>14}   {found}"]
        lines += _with_final_head(name, one["limit"], options, final, trained)
    return lines


def _with_final_head(name: str, limit: float, options: SearchOptions, final: Cost, trained: str) -> list[str]:
    """A line under a bound that did not count the head of a retraining; none where it did, or is kept all the same."""
    if options.counted_head == trained:
        return []
    if name in COUNTED and getattr(final, COUNTED[name]) <= limit:
        return []
    more = f"{_amount(name, getattr(final, COUNTED[name]))} then, NOT MET" if name in COUNTED else "which takes longer"
    return [f"  {'':<28}   retrain adds the {trained} head: {more}. --constraint.head {trained} counts it"]


def _weights(summary: dict[str, Any]) -> str:
    """Where the weights of the found network are, or why there are none."""
    if summary["weights"] is None:
        return "none are kept: the search was not discrete, so its weights are not those of the network"
    return f"{summary['weights']}, as the search left them (evaluate, predict, export; retrain --init RUN begins there)"


def _amount(name: str, value: float) -> str:
    """Parameters and MACs whole, milliseconds to four digits."""
    return f"{value:,.4g} ms" if name == "latency_ms" else f"{value:,.0f}"


def state(summary: dict[str, Any], options: SearchOptions, images: int) -> str:
    """How a search ended, in words, and what to do where it did not decide.

    Args:
        summary: of the search.
        options: of the search.
        images: that it was trained on.
    """
    from strategies.registry import MULTI_TRIAL, STRATEGIES

    if options.strategy in MULTI_TRIAL:
        return f"the best of {len(summary['time']['epoch_s'])} sampled networks, each trained by itself"
    if summary["discrete"]:
        rules = deciding_rules(summary["removals"])
        since = f"discrete since epoch {summary['discrete_epoch']} of {summary['epochs']}"
        return f"{since}, by {rules} alone" if rules else since
    entropy = f"{summary['entropy']['final']:.1f} nats"
    epochs = counted(summary["epochs"], "epoch")
    told = f"not discrete after {epochs}, entropy {entropy}: cut to the most probable candidates"
    if not (options.strategy in STRATEGIES and options.strategy.startswith("ssr")):  # no threshold to wait for
        return told
    steps = options.epochs * max(int(images * (options.method.arch_split or 1.0)) // options.data.batch, 1)
    given = f"{counted(steps, 'step')} {'was' if steps == 1 else 'were'} too few"
    if options.method == type(options.method)():  # in the compact space, on street scenes and CamVid
        given += ", it takes some 500 to 1000 with the default method"
    return f"{told}; {given}: raise --epochs or --method.lr, or lower --data.batch"
