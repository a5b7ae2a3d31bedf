"""Which networks of a set nobody should prefer another of the set to."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic, write_json

PARETO = "pareto.json"


def front(rows: Sequence[Mapping[str, Any]], better: str = "miou", cost: str = "macs_total") -> list[bool]:
    """For each row, whether no other has at least its score at no more cost, and more of one of the two.

    Args:
        rows: one a network.
        better: the key of the score, the higher the better.
        cost: the key of the cost, the lower the better.
    """
    points = [(row[better], row[cost]) for row in rows]
    return [not any(s >= t[0] and c <= t[1] and (s, c) != t for s, c in points) for t in points]


def write_pareto(run: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``pareto.json``.

    Args:
        run: the run's folder.
        rows: one a network: ``epoch`` (or its number), ``file``, ``miou`` (a fraction), and its costs.
    """
    networks = [{**row, "front": best} for row, best in zip(rows, front(rows), strict=True)]
    write_json(run / PARETO, {"networks": networks})


def distinct_networks(run: Path) -> list[dict[str, Any]]:
    """The rows of ``pareto.json``, of equal networks the last alone; each with ``front`` among these, and ``found``.

    A network that stays the most probable one is written after every shrink. Its last weights are trained longest.

    Args:
        run: the run's folder. Networks whose ``file`` is gone count as different.
    """
    rows = json.loads((run / PARETO).read_text(encoding="utf-8"))["networks"]
    last: dict[str, dict[str, Any]] = {}
    found = run / "architecture.json"
    chosen = found.read_text(encoding="utf-8") if found.is_file() else None
    for row in rows:
        file = run / row["file"]
        content = file.read_text(encoding="utf-8") if file.is_file() else row["file"]
        last.pop(content, None)
        last[content] = {**row, "found": content == chosen}
    return [{**row, "front": best} for row, best in zip(last.values(), front(list(last.values())), strict=True)]


def draw_pareto(run: Path) -> None:
    """Draw ``figures/pareto.png`` from ``pareto.json``. It is no result: an error costs the figure alone."""
    file = run / "figures" / "pareto.png"
    with decoration(f"the figure {file}"):
        from experiments.report.figures import pareto_figure, png

        file.parent.mkdir(exist_ok=True)
        write_atomic(file, png(pareto_figure(distinct_networks(run))))
