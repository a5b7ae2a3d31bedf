"""Tables of a comparison: one row a network, and how much of the spread is noise."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def comparison_table(
    costs: Mapping[str, Mapping[str, Any]],
    found: Mapping[str, Mapping[str, Any]],
    scores: Mapping[str, Sequence[float]],
    strategies: Sequence[str],
) -> pd.DataFrame:
    """One row a network, and one for each group (a strategy's seeds, the random networks) with mean and standard deviation.

    Args:
        costs: ``params`` and ``macs_total`` of all networks by name; found ones are called ``<strategy>-<seed>``, random ones
            ``random-<i>``.
        found: content of ``search.json`` of the found ones.
        scores: mIoU in [0, 1] of each network's retrainings; empty where there are none.
        strategies: names of the strategies.

    Returns:
        Columns: network, retrained (percent), retrained_sd over retrainings or group, search_miou, derived_miou, loss_jump (derived minus
        super-network at the end), loss_jump_before (before the last decision), entropy (nats), discrete_epoch, search_s, params, macs.
    """
    rows = []
    for name, exact in costs.items():
        values = [100 * value for value in scores.get(name, [])]
        row: dict[str, Any] = {"network": name, "retrained": statistics.mean(values) if values else None}
        row["retrained_sd"] = statistics.stdev(values) if len(values) > 1 else None
        if name in found:
            row |= _search_columns(found[name])
        rows.append(row | {"params": exact["params"], "macs": exact["macs_total"]})
    table = pd.DataFrame(rows)
    groups = {name: [key for key in found if key.rpartition("-")[0] == name] for name in strategies}
    groups["random"] = [name for name in costs if name.startswith("random-")]
    summaries = [_group_row(table, name, members) for name, members in groups.items() if len(members) > 1]
    return pd.concat([table, pd.DataFrame(summaries)], ignore_index=True) if summaries else table


def _search_columns(summary: Mapping[str, Any]) -> dict[str, Any]:
    before = summary["gap_before"]
    return {
        "search_miou": 100 * summary["miou"]["supernet"],
        "derived_miou": 100 * summary["miou"]["derived"],
        "loss_jump": summary["gap"]["loss_derived"] - summary["gap"]["loss_supernet"],
        "loss_jump_before": before["loss_derived"] - before["loss_supernet"] if before else None,
        "entropy": summary["entropy"]["final"],
        "discrete_epoch": summary["discrete_epoch"],
        "search_s": summary["time"]["total_s"],
    }


def _group_row(table: pd.DataFrame, name: str, members: Sequence[str]) -> dict[str, Any]:
    rows = table[table["network"].isin(members)].drop(columns=["network", "retrained_sd"])
    mean = rows.apply(pd.to_numeric).mean().to_dict()
    return {"network": f"{name} (mean of {len(members)})", **mean, "retrained_sd": rows["retrained"].astype(float).std()}


def markdown(table: pd.DataFrame) -> str:
    """The table as GitHub Markdown, three significant digits, a dash where there is nothing."""

    def cell(value: Any) -> str:
        if value is None or value != value:
            return "-"
        return value if isinstance(value, str) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def spread(scores: Mapping[str, Sequence[float]]) -> dict[str, float | None]:
    """How far random networks differ, and how far retrainings of one network differ, in mIoU.

    Args:
        scores: mIoU of each network's retrainings.

    Returns:
        ``between_networks``: standard deviation of the random networks' means; ``between_seeds``: pooled standard deviation over
        all networks; None where there are too few.
    """
    means = [statistics.mean(values) for name, values in scores.items() if name.startswith("random-") and values]
    within = [statistics.variance(values) for values in scores.values() if len(values) > 1]
    return {
        "between_networks": statistics.stdev(means) if len(means) > 1 else None,
        "between_seeds": statistics.mean(within) ** 0.5 if within else None,
    }
