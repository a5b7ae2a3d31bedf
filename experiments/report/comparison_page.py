"""A comparison for people: its tables with names and units, and one HTML page that needs nothing beside it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.report.markdown import with_deviations
from experiments.report.render import render
from experiments.report.run_files import config_text
from experiments.runs.columns import MACS, MIOU, PARAMETERS
from experiments.runs.files import write_atomic
from experiments.runs.folder import read_summary
from experiments.runs.processes import program
from experiments.runs.tables import readable
from nas_space.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE = "compare.html.j2"
COMPARISON = "compare.json"
MILLIONS = {"params": PARAMETERS, "macs": MACS}
NAMES = {
    "retrained": f"retrained {MIOU.name}",
    "retrained_sd": "its deviation",
    "retrained_resolution": "its labels",
    "search_miou": f"super-network {MIOU.name}",
    "derived_miou": f"derived {MIOU.name}",
    "search_resolution": "their labels",
    "derived_full_miou": f"derived {MIOU.name}, full labels",
    "loss_jump": "loss jump",
    "loss_jump_before": "loss jump before",
    "entropy": "entropy nats",
    "entropy_area": "entropy area",
    "half_epoch": "half epoch",
    "discrete_epoch": "discrete epoch",
    "search_s": "search seconds",
    **{key: column.name for key, column in MILLIONS.items()},
}
"""What stands above each column of ``compare.csv``; the others are words already."""
STRATEGIES = ("strategy", "discrete", "retrained", "search_miou", "derived_miou")
NETWORKS = ("network", "retrained", "discrete", "derived_miou", "macs")
"""Columns that stand on the page at once; the others are folded."""


def for_people(table: "pd.DataFrame", deviations: bool = False) -> "pd.DataFrame":
    """A table of a comparison with names and units.

    Args:
        table: of ``comparison_table`` or ``summary_table``.
        deviations: write each column and its ``<column>_sd`` as one, ``48.7 ± 1.2``.
    """
    shown = table.copy()
    for key, column in MILLIONS.items():
        for name in {key, f"{key}_sd"} & set(shown):
            shown[name] = shown[name].astype(float) / column.unit
    if {"seeds", "discrete"} <= set(shown):
        shown["discrete"] = [f"{count} of {of}" for count, of in zip(shown["discrete"], shown["seeds"], strict=True)]
    return (with_deviations(shown) if deviations else shown).rename(columns=NAMES)


def write_comparison_page(folder: Path, result: Mapping[str, Any], figure: bytes | None) -> Path:
    """Write ``report.html``; returns it.

    Args:
        folder: of the comparison.
        result: content of ``compare.json``.
        figure: the entropy of all searches, a PNG file; None where there is none.

    Raises:
        InputError: ``result`` is damaged.
    """
    import pandas as pd

    try:
        tables = {
            "strategies": readable(for_people(pd.DataFrame(result["strategies"]), deviations=True)),
            "networks": readable(for_people(pd.DataFrame(result["rows"]))),
        }
        command = next_command(folder, result["rows"])
        lines = [str(line) for line in result.get("verdicts", ())]  # absent in files of earlier versions
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{folder / COMPARISON}: is damaged ({reason}); give compare again") from None
    first = {"strategies": STRATEGIES, "networks": NETWORKS}
    rows = {f"all_{name}": _rows(table) for name, table in tables.items()}
    for name, table in tables.items():
        kept = [NAMES.get(key, key) for key in first[name]]
        rows[name] = _rows(table[[column for column in kept if column in table]])
    page = render(
        TEMPLATE,
        {} if figure is None else {"comparison": figure},
        title="Comparison of strategies",
        verdict="A row for each strategy, then one for each network. mIoU is on the validation images.",
        next=command,
        lines=lines,
        config=config_text(folder),
        **rows,
    )
    write_atomic(folder / "report.html", page.encode("utf-8", "backslashreplace"))
    return folder / "report.html"


def _rows(table: "pd.DataFrame") -> list[tuple[str, ...]]:
    """The header and the rows of a table of text."""
    return [tuple(table), *table.itertuples(index=False, name=None)]


def next_command(folder: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    """The command that shows what the best retrained network is good for; empty where nothing was retrained."""
    runs = {row["network"]: folder / "retrain" / f"{row['network']}-seed0" for row in rows if row.get("retrained")}
    scores = {row["network"]: float(row["retrained"]) for row in rows if row["network"] in runs}
    trained = [name for name, run in runs.items() if run.is_dir()]  # no mean of a group
    if not trained:
        return ""
    best = runs[max(trained, key=lambda name: scores[name])]
    return f"{program()} predict --checkpoint {shlex.quote(str(best))} IMAGE"


def rewrite_comparison_page(folder: Path) -> Path:
    """Write ``report.html`` of a finished comparison again, from its ``compare.json`` and ``entropy.png``.

    Raises:
        InputError: ``compare.json`` is missing or damaged.
    """
    figure = folder / "entropy.png"
    result = read_summary(folder / COMPARISON, ("strategies", "rows"))
    return write_comparison_page(folder, result, figure.read_bytes() if figure.is_file() else None)
