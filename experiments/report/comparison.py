"""The results of a comparison as files: a row for each network or strategy, and the entropy curves of the searches."""

import json
import math
import re
import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.report.comparison_page import for_people, next_command, write_comparison_page
from experiments.report.markdown import markdown
from experiments.report.summaries import read_metrics, read_retraining, read_search
from experiments.report.verdicts import Scores, is_random, percentiles, spread, verdicts
from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic, write_json
from experiments.runs.folder import METRICS
from experiments.runs.tables import in_words, readable
from nas_space.config import SpaceConfig

Summaries = Mapping[str, Mapping[str, Any]]
Names = Collection[str]
RESOLUTIONS = ("retrained_resolution", "search_resolution")
"""Columns of text: at which height and width of the labels the scores beside them were taken."""


def write_comparison(
    folder: Path, searches: Names, networks: Names, retrainings: int, strategies: Names, without_entropy: Names
) -> dict[str, Any]:
    """Write ``compare.csv``, ``compare.md``, ``compare.json``, ``entropy.png``, ``report.html``; print what they say.

    Args:
        folder: of the comparison, with its finished runs.
        searches: names of the searches, ``<strategy>-<seed>``.
        networks: names of the networks that were retrained.
        retrainings: of each network, with as many seeds.
        strategies: names of the strategies.
        without_entropy: names of the searches that have no entropy.

    Returns:
        The content of ``compare.json``: rows of both tables, spreads, percentiles, and what they say in sentences.

    Raises:
        InputError: a file of a run is missing or damaged; the message names it.
    """
    summaries = {name: read_search(folder / "search" / name / "search.json") for name in searches}
    costs = {name: summary["cost"] for name, summary in summaries.items()}
    scores: dict[str, list[float]] = {}
    for name in networks:
        files = [folder / "retrain" / f"{name}-seed{seed}" / "retrain.json" for seed in range(retrainings)]
        runs = [read_retraining(file) for file in files]
        scores[name], costs[name] = [run["miou"] for run in runs], runs[0]["cost"]
    with_entropy = [name for name in summaries if name not in without_entropy]
    curves = {name: read_metrics(folder / "search" / name / METRICS, ["entropy"]) for name in with_entropy}
    areas = {name: float(curve["entropy"].sum()) for name, curve in curves.items()}
    table = comparison_table(costs, summaries, scores, strategies, areas)
    by_strategy = summary_table(table, strategies)
    people = {"strategies": for_people(by_strategy, deviations=True), "networks": for_people(table)}
    lines, figure = verdicts(scores, costs, list(summaries)), None
    result: dict[str, Any] = {
        "rows": json.loads(table.to_json(orient="records")),
        "strategies": json.loads(by_strategy.to_json(orient="records")),
        **spread(scores),
        "percentiles": percentiles(scores),
        "verdicts": lines,
    }
    write_atomic(folder / "compare.csv", in_words(table).to_csv(index=False))
    write_atomic(folder / "compare.md", "\n".join(map(markdown, people.values())))
    write_json(folder / "compare.json", result)
    with decoration(f"the figure {folder / 'entropy.png'}"):
        from experiments.report.figures import comparison_figure, png  # the tables need no matplotlib

        figure = png(comparison_figure(curves))
        write_atomic(folder / "entropy.png", figure)
    with decoration(f"the report {folder / 'report.html'}"):
        write_comparison_page(folder, result, figure)
    for part in reversed(people.values()):
        print(readable(part).to_string(index=False), end="\n\n")
    print("\n".join(lines))
    print(f"\n{folder}: report.html, compare.md, compare.csv, compare.json, entropy.png")
    if command := next_command(folder, result["rows"]):
        print(f"next  {command}")
    return result


def comparison_table(
    costs: Summaries, searches: Summaries, scores: Scores, strategies: Names, areas: Mapping[str, float] = {}
) -> pd.DataFrame:
    """One row for each network; one for each group (a strategy's seeds, the random networks): mean, standard deviation.

    Args:
        costs: ``params`` and ``macs_total`` of all networks by name; found ones are called ``<strategy>-<seed>``,
            random ones ``random-<i>``.
        searches: content of ``search.json`` of the found ones.
        scores: mIoU in [0, 1] of each network's retrainings; empty where there are none.
        strategies: names of the strategies.
        areas: area under the entropy curve of the found ones, in nats times epochs.

    Returns:
        Columns: network, retrained (percent), retrained_sd over retrainings or group, retrained_resolution (of the
        labels, HxW), discrete, search_miou and derived_miou (with labels at search_resolution, an eighth),
        derived_full_miou (with labels at the size of a retraining), loss_jump (derived minus super-network at the end),
        loss_jump_before (before the last decision), entropy (nats), entropy_area, half_epoch (when half of what had to
        go was gone), discrete_epoch, search_s, params, macs.
    """
    rows = []
    for name, exact in costs.items():
        values = [100 * value for value in scores.get(name, [])]
        row: dict[str, Any] = {"network": name, "retrained": statistics.mean(values) if values else None}
        row["retrained_sd"] = statistics.stdev(values) if len(values) > 1 else None
        row["retrained_resolution"] = exact.get("size") if values else None
        if name in searches:
            row |= _search_columns(searches[name], areas.get(name))
        rows.append(row | {"params": exact["params"], "macs": exact["macs_total"]})
    table = pd.DataFrame(rows)
    groups = {name: [key for key in searches if key.rpartition("-")[0] == name] for name in strategies}
    groups["random"] = [name for name in costs if is_random(name)]
    means = [_group_row(table, name, members) for name, members in groups.items() if len(members) > 1]
    return pd.concat([table, pd.DataFrame(means)], ignore_index=True) if means else table


def _search_columns(summary: Mapping[str, Any], area: float | None) -> dict[str, Any]:
    supernet, derived = (_percent(summary["miou"][key]) for key in ("supernet", "derived"))
    columns = {"discrete": summary["discrete"], "search_miou": supernet, "derived_miou": derived}
    columns |= {"search_resolution": summary["miou"].get("resolution")}
    columns |= {"derived_full_miou": _percent(summary["miou"].get("derived_full"))}
    columns |= {"loss_jump": loss_jump(summary["gap"]), "loss_jump_before": loss_jump(summary["gap_before"])}
    columns |= {"entropy": summary["entropy"]["final"], "entropy_area": area, "half_epoch": half_removed(summary)}
    return columns | {"discrete_epoch": summary["discrete_epoch"], "search_s": summary["time"]["total_s"]}


def loss_jump(gap: Mapping[str, float | None] | None) -> float | None:
    """How much higher the derived network's validation loss is than the super-network's; None if one is not finite.

    Args:
        gap: ``gap`` or ``gap_before`` of ``search.json``.
    """
    before, after = (gap["loss_supernet"], gap["loss_derived"]) if gap else (None, None)
    return None if before is None or after is None else after - before


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def half_removed(summary: Mapping[str, Any]) -> int | None:
    """The epoch at whose end half of the removable candidates were removed. Removals by the final argmax do not count.

    Args:
        summary: content of ``search.json``.
    """
    space = SpaceConfig.from_dict(summary["space"])
    sizes, levels = space.sizes(), {"operator", *({"width", "depth"} & set(space.search))}
    goal = (sizes["architecture_parameters"] - sizes["choices"]) / 2
    epochs = sorted(r["epoch"] for r in summary["removals"] if r["level"] in levels and r["rule"] != "argmax")
    return epochs[math.ceil(goal) - 1] if 0 < goal <= len(epochs) else None


def _group_row(table: pd.DataFrame, name: str, members: Sequence[str]) -> dict[str, Any]:
    chosen = table[table["network"].isin(members)]
    same = {key: chosen[key].iloc[0] for key in RESOLUTIONS if key in chosen and chosen[key].nunique(dropna=False) == 1}
    rows = chosen.drop(columns=["network", "retrained_sd", *RESOLUTIONS], errors="ignore")
    if "discrete" in rows and rows["discrete"].notna().all():
        same["discrete"] = f"{int(rows['discrete'].astype(bool).sum())} of {len(members)}"
    means, deviation = (
        rows.drop(columns="discrete", errors="ignore").apply(pd.to_numeric).mean().to_dict(),
        rows["retrained"].astype(float).std(),
    )
    return {"network": f"{name} (mean of {len(members)})", **means, "retrained_sd": deviation, **same}


def summary_table(table: pd.DataFrame, strategies: Names) -> pd.DataFrame:
    """One row for each strategy: mean over its seeds, and the standard deviation of each column in ``<column>_sd``.

    Args:
        table: of ``comparison_table``.
        strategies: names of the strategies; those without a search are left out.

    Returns:
        Columns: strategy, seeds, discrete (how many ended so by themselves), of numbers mean and standard deviation.
    """
    rows = []
    for name in strategies:
        members = table[table["network"].str.fullmatch(rf"{re.escape(name)}-\d+") & table["search_s"].notna()]
        if members.empty:
            continue
        left_out = ["network", "retrained_sd", "discrete", *RESOLUTIONS]
        numbers = members.drop(columns=left_out, errors="ignore").apply(pd.to_numeric)
        discrete = int(members["discrete"].astype(bool).sum())
        row: dict[str, Any] = {"strategy": name, "seeds": len(members), "discrete": discrete}
        for column in numbers:
            row |= {column: numbers[column].mean(), f"{column}_sd": numbers[column].std() if len(members) > 1 else None}
        row |= {key: members[key].iloc[0] for key in RESOLUTIONS if key in members}
        rows.append(row)
    return pd.DataFrame(rows)
