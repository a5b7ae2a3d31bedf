"""Several targets in one command: a search for each, one after another, in a folder of its own, and their front."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.options.groups import TargetOptions
from experiments.options.quantity import compact
from experiments.report.pareto import front
from experiments.runs.columns import LATENCY, MACS, MIOU, PARAMETERS, cells
from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic, write_json
from experiments.runs.folder import read_summary
from experiments.search.options import SearchRunOptions

FRONT = "front.json"


def one_by_one(options: SearchRunOptions) -> dict[str, SearchRunOptions]:
    """The options of each target's search, by the name of its folder."""
    key = options.target.key
    assert key is not None
    return {
        f"{key}-{compact(value)}": replace(options, target=TargetOptions(**{key: [given]}), out=None, resume=None)
        for value, given in zip(options.target.values, getattr(options.target, key), strict=True)
    }


def front_rows(folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each search: its folder, target, found cost and its share, mIoU, all counted costs, and ``front``.

    Where latency has a target, ``clock`` says what measured it, on which device.

    Args:
        folder: of the command.
        names: of the searches' folders.

    Raises:
        InputError: a search's summary is missing or damaged.
    """
    rows = []
    for name in names:
        summary = read_summary(folder / name / "search.json", ("target", "miou", "cost"))
        ((key, target),) = summary["target"].items()
        miou = summary["miou"]
        at = "derived" if miou.get("derived_full") is None else "derived_full"
        row = {"run": name, "key": key, **target, "miou": miou[at], "discrete": summary["discrete"]}
        row |= {"clock": summary["clock"]} if "clock" in summary else {}
        row["miou_resolution"] = miou["resolution" if at == "derived" else "resolution_full"]
        rows.append({**row, **{cost: summary["cost"][cost] for cost in ("params", "macs_total")}})
    return [{**row, "front": best} for row, best in zip(rows, front(rows, cost="found"), strict=True)]


def write_front(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``front.json`` and ``figures/front.png``."""
    write_json(folder / FRONT, {"networks": list(rows)})
    file = folder / "figures" / "front.png"
    with decoration(f"the figure {file}"):
        from experiments.report.figures import front_figure, png

        file.parent.mkdir(exist_ok=True)
        write_atomic(file, png(front_figure(json.loads((folder / FRONT).read_text(encoding="utf-8"))["networks"])))


def front_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The front as text, a line for each network, the cheapest first."""
    key = rows[0]["key"]
    rows = sorted(rows, key=lambda row: row["found"])
    kind = {"macs": MACS, "params": PARAMETERS, "latency_ms": LATENCY}[key]
    columns = [
        *([f"{which} {kind.name}", *cells(kind, [row[which] for row in rows])] for which in ("target", "found")),
        ["share", *(f"{row['ratio']:.3f}" for row in rows)],
        [MIOU.name, *cells(MIOU, [row["miou"] for row in rows])],
        [PARAMETERS.name, *cells(PARAMETERS, [row["params"] for row in rows])],
        [MACS.name, *cells(MACS, [row["macs_total"] for row in rows])],
        *([name, *("yes" if row[name] else "no" for row in rows)] for name in ("discrete", "front")),
    ]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for line in zip(*columns, strict=True)
    ]
    clock = f" of {rows[0]['clock']}" if "clock" in rows[0] else ""
    return "\n".join([f"{key}{clock}; mIoU with labels at {rows[0]['miou_resolution']}", "", *lines])
