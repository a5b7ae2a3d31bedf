"""Tables of a comparison: one row a network, and how much of the spread is noise."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from nas_space.config import SpaceConfig


def comparison_table(
    costs: Mapping[str, Mapping[str, Any]],
    found: Mapping[str, Mapping[str, Any]],
    scores: Mapping[str, Sequence[float]],
    strategies: Sequence[str],
    areas: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """One row a network, and one for each group (a strategy's seeds, the random networks) with mean and standard deviation.

    Args:
        costs: ``params`` and ``macs_total`` of all networks by name; found ones are called ``<strategy>-<seed>``,
            random ones ``random-<i>``.
        found: content of ``search.json`` of the found ones.
        scores: mIoU in [0, 1] of each network's retrainings; empty where there are none.
        strategies: names of the strategies.
        areas: area under the entropy curve of the found ones, in nats times epochs.

    Returns:
        Columns: network, retrained (percent), retrained_sd over retrainings or group, discrete, search_miou,
            derived_miou, loss_jump
        (derived minus super-network at the end), loss_jump_before (before the last decision), entropy (nats),
        entropy_area, half_epoch (when half of what had to go was gone), discrete_epoch, search_s, params, macs.
    """
    rows = []
    for name, exact in costs.items():
        values = [100 * value for value in scores.get(name, [])]
        row: dict[str, Any] = {"network": name, "retrained": statistics.mean(values) if values else None}
        row["retrained_sd"] = statistics.stdev(values) if len(values) > 1 else None
        if name in found:
            row |= _search_columns(found[name], (areas or {}).get(name))
        rows.append(row | {"params": exact["params"], "macs": exact["macs_total"]})
    table = pd.DataFrame(rows)
    groups = {name: [key for key in found if key.rpartition("-")[0] == name] for name in strategies}
    groups["random"] = [name for name in costs if _is_random(name)]
    summaries = [_group_row(table, name, members) for name, members in groups.items() if len(members) > 1]
    return pd.concat([table, pd.DataFrame(summaries)], ignore_index=True) if summaries else table


def _search_columns(summary: Mapping[str, Any], area: float | None) -> dict[str, Any]:
    return {
        "discrete": summary["discrete"],
        "search_miou": _percent(summary["miou"]["supernet"]),
        "derived_miou": _percent(summary["miou"]["derived"]),
        "loss_jump": loss_jump(summary["gap"]),
        "loss_jump_before": loss_jump(summary["gap_before"]),
        "entropy": summary["entropy"]["final"],
        "entropy_area": area,
        "half_epoch": half_removed(summary),
        "discrete_epoch": summary["discrete_epoch"],
        "search_s": summary["time"]["total_s"],
    }


def loss_jump(gap: Mapping[str, float | None] | None) -> float | None:
    """By how much the derived network's validation loss exceeds the super-network's; None where one of them was not finite.

    Args:
        gap: ``gap`` or ``gap_before`` of ``search.json``.
    """
    before, after = (gap["loss_supernet"], gap["loss_derived"]) if gap else (None, None)
    return None if before is None or after is None else after - before


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def half_removed(summary: Mapping[str, Any]) -> int | None:
    """The epoch at whose end half of the candidates that must go in the end had gone; None if that never came, cuts by argmax apart.

    Args:
        summary: content of ``search.json``.
    """
    space = SpaceConfig.from_dict(summary["space"])
    sizes, levels = space.sizes(), {"operator"} | ({"width"} if "width" in space.search else set())
    levels |= {"depth"} if "depth" in space.search else set()
    goal = (sizes["architecture_parameters"] - sizes["choices"]) / 2
    epochs = sorted(r["epoch"] for r in summary["removals"] if r["level"] in levels and r["rule"] != "argmax")
    return epochs[math.ceil(goal) - 1] if 0 < goal <= len(epochs) else None


def _group_row(table: pd.DataFrame, name: str, members: Sequence[str]) -> dict[str, Any]:
    rows = table[table["network"].isin(members)].drop(columns=["network", "retrained_sd"])
    mean = rows.apply(pd.to_numeric).mean().to_dict()
    return {
        "network": f"{name} (mean of {len(members)})",
        **mean,
        "retrained_sd": rows["retrained"].astype(float).std(),
    }


def summary_table(table: pd.DataFrame, strategies: Sequence[str]) -> pd.DataFrame:
    """One row a strategy: mean over its seeds, and the standard deviation of each column in ``<column>_sd``.

    Args:
        table: of ``comparison_table``.
        strategies: names of the strategies; those without a search are left out.

    Returns:
        Columns: strategy, seeds, and of every number of ``table`` mean and standard deviation; ``discrete`` is the
            number of seeds that
        ended discrete by themselves.
    """
    rows = []
    for name in strategies:
        members = table[table["network"].str.fullmatch(rf"{re.escape(name)}-\d+") & table["search_s"].notna()]
        if members.empty:
            continue
        numbers = members.drop(columns=["network", "retrained_sd", "discrete"]).apply(pd.to_numeric)
        row: dict[str, Any] = {
            "strategy": name,
            "seeds": len(members),
            "discrete": int(members["discrete"].astype(bool).sum()),
        }
        for column in numbers:
            row[column] = numbers[column].mean()
            row[f"{column}_sd"] = numbers[column].std() if len(members) > 1 else None
        rows.append(row)
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    """The table as GitHub Markdown, three significant digits, lists by their items, a dash where there is nothing."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def with_deviations(table: pd.DataFrame) -> pd.DataFrame:
    """``<column>`` and ``<column>_sd`` of ``summary_table`` as one column of text, ``48.7 ± 1.2``."""
    merged = table.copy()
    for column in [name for name in table if f"{name}_sd" in table]:
        cells = zip(table[column], table[f"{column}_sd"], strict=True)
        merged[column] = [
            _cell(mean) if _cell(sd) in ("-", "0") else f"{_cell(mean)} ± {_cell(sd)}" for mean, sd in cells
        ]
        merged = merged.drop(columns=f"{column}_sd")
    return merged


def spread(scores: Mapping[str, Sequence[float]]) -> dict[str, float | None]:
    """How far random networks differ, and how far retrainings of one network differ, in mIoU.

    Args:
        scores: mIoU of each network's retrainings.

    Returns:
        ``between_networks``: standard deviation of the random networks' means; ``between_seeds``: pooled standard
        deviation over all networks; None where there are too few.
    """
    means = [statistics.mean(values) for name, values in scores.items() if _is_random(name) and values]
    within = [statistics.variance(values) for values in scores.values() if len(values) > 1]
    return {
        "between_networks": statistics.stdev(means) if len(means) > 1 else None,
        "between_seeds": statistics.mean(within) ** 0.5 if within else None,
    }


def percentiles(scores: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Where each network stands among the random ones.

    Args:
        scores: mIoU of each network's retrainings; random networks are called ``random-<i>``.

    Returns:
        For every other network the share, in percent, of random networks whose mean mIoU its own exceeds; empty without
        random ones.
    """
    means = {name: statistics.mean(values) for name, values in scores.items() if values}
    sampled = [mean for name, mean in means.items() if _is_random(name)]
    others = {name: mean for name, mean in means.items() if not _is_random(name)}
    return (
        {name: 100 * sum(mean > other for other in sampled) / len(sampled) for name, mean in others.items()}
        if sampled
        else {}
    )


def verdicts(
    scores: Mapping[str, Sequence[float]], costs: Mapping[str, Mapping[str, Any]], found: Sequence[str]
) -> list[str]:
    """The comparison in sentences: noise, the random networks, and where each found network stands among them.

    Args:
        scores: mIoU of each network's retrainings.
        costs: ``macs_total`` of each network.
        found: names of the found networks.
    """
    means = {name: 100 * statistics.mean(values) for name, values in scores.items() if values}
    noise, sampled = spread(scores), {name: mean for name, mean in means.items() if _is_random(name)}
    lines = []
    if noise["between_networks"] is not None:
        lines.append(f"standard deviation between random networks  {100 * noise['between_networks']:.2f} points")
    if noise["between_seeds"] is not None:
        lines.append(
            f"standard deviation between retrainings of one network, pooled  {100 * noise['between_seeds']:.2f} points"
        )
    if not sampled:
        return lines
    lines.append(f"median of {len(sampled)} random networks  {statistics.median(sampled.values()):.2f} %")
    places = percentiles(scores)
    for name in found:
        if name not in means:
            continue
        lines.append(f"{name}: {means[name]:.2f} %, above {places[name]:.0f} % of the random networks")
        affordable = {
            other: mean for other, mean in sampled.items() if costs[other]["macs_total"] <= costs[name]["macs_total"]
        }
        if affordable:
            best = max(affordable, key=affordable.__getitem__)
            lines[-1] += f"; the best of {len(affordable)} with no more MACs is {best} with {affordable[best]:.2f} %"
        if f"matched-{name}" in means:
            lines[-1] += f"; a random one of as many MACs has {means[f'matched-{name}']:.2f} %"
    return lines


def _is_random(name: str) -> bool:
    """Whether this is a random network of the comparison: ``random-<i>``, not ``random-search-<seed>``."""
    return re.fullmatch(r"random-\d+", name) is not None
