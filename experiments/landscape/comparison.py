"""Searches compared in a landscape: one table, and the correlation over the epochs, as files and as text."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.landscape.groups import different_options, grouped
from experiments.landscape.ruler import FoundNetwork, Ruler
from experiments.landscape.runs import (
    MISSING_NOTE,
    left_out,
    probabilities_missing,
    run_folders,
)
from experiments.report.markdown import markdown
from experiments.runs.columns import MIOU
from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic, write_json
from experiments.runs.folder import CONFIG, is_leftover, make_folder, read_config
from experiments.runs.lock import locked
from experiments.runs.tables import readable
from nas_space.errors import InputError

FILES = ("standing.csv", "standing.md", "standing.json", "correlation.csv", "correlation.png")
KINDS = ("measured", "predicted")
NAMES = {
    "miou": MIOU.name,
    "accuracy": "accuracy %",
    "percentile": "percentile %",
    "regret": "regret points",
    "predicted_percentile": "predicted percentile %",
    "predicted_regret": "predicted regret points",
    "regret_sd": "deviation of regret points",
    "correlation": "rank correlation",
    "largest": "largest rank correlation",
    "largest_epoch": "largest at epoch",
}
"""What stands above the columns of ``standing.csv``, for people; the others are words already."""
SHOWN = 8
"""Epochs whose correlation is printed; the file holds all."""


def standing_folder(out: str) -> Path:
    """The folder that the tables go to: new, empty, a comparison's, or one that holds such tables alone.

    Raises:
        InputError: it cannot be made, or holds something else.
    """
    folder = make_folder(out, "comparison")
    others = [entry.name for entry in folder.iterdir() if not is_leftover(entry.name) and entry.name not in FILES]
    if others and not (CONFIG in others and "strategies" in read_config(folder)):
        raise InputError(f"--out {folder}: holds files already, and no comparison; choose another --out")
    return folder


def compare_runs(ruler: Ruler[Any, Any], runs: Sequence[str], out: str, own: bool = False) -> dict[str, Any]:
    """Tell where the choices of finished searches stand; nothing is trained.

    Args:
        ruler: of the landscape, ours or a benchmark's.
        runs: folders of searches, or of comparisons.
        out: the folder for ``FILES``.
        own: whether it is the folder of the comparison that has made the runs, and holds its tables.

    Returns:
        The content of ``standing.json``: ``rows``, ``groups``, ``correlations`` and what the landscape is worth.

    Raises:
        InputError: a run that is missing, damaged, or of another space; a table in the folder that has other runs.
    """
    folders, unfinished = run_folders(runs)
    found = grouped([ruler.read(name, folder) for name, folder in folders.items()])
    folder = standing_folder(out)
    with locked(folder):
        if not own:
            _check_kept(folder, ruler.name, [*folders.values(), *unfinished])
        return _write(ruler, found, {name: str(path.resolve()) for name, path in folders.items()}, unfinished, folder)


def _write(
    ruler: Ruler[Any, Any],
    found: Sequence[FoundNetwork[Any, Any]],
    runs: Mapping[str, str],
    unfinished: Sequence[Path],
    folder: Path,
) -> dict[str, Any]:
    if unfinished:
        _note(left_out(unfinished))
    for one in found:
        told = ruler.differences(one)
        if told:
            _note(f"{one.name}: searched with {', '.join(told)}; what is best there may differ")
        if probabilities_missing(one):
            _note(f"{one.name}: {MISSING_NOTE}")
    for group in dict.fromkeys(one.group for one in found):
        keys = different_options([one for one in found if one.group == group])
        if keys:
            _note(f"{group}: its searches differ in {', '.join(keys)}, and the mean is over all of them")
    curves = {one.name: _curve(one, ruler) for one in found}
    table = standing_table(ruler, found, curves)
    groups = group_table(table, ruler.measure)
    mixed = [str(row["group"]) for row in _records(groups) if all(row[kind] for kind in KINDS)]
    if mixed:
        what = "the mean mixes measured and predicted choices; the predicted regret is alike for all"
        _note(f"{', '.join(mixed)}: {what}")
    correlations = [
        {"network": one.name, "group": one.group, **row} for one in found for row in _records(curves[one.name])
    ]
    result = {"landscape": ruler.name, **ruler.quality, "rows": _records(table), "groups": _records(groups)}
    result["correlations"] = correlations
    result["runs"] = dict(runs)
    columns = ["network", "group", "epoch", "correlation"]
    write_atomic(folder / "standing.csv", table.to_csv(index=False))
    people = [part.rename(columns=NAMES) for part in (table, groups) if len(part)]
    write_atomic(folder / "standing.md", "\n".join(map(markdown, people)))
    write_atomic(folder / "correlation.csv", pd.DataFrame(correlations, columns=columns).to_csv(index=False))
    write_json(folder / "standing.json", result)
    with decoration(f"the figure {folder / 'correlation.png'}"):
        from experiments.report.figures import comparison_figure, png

        named = {f"{one.group}-{number}": curves[one.name] for number, one in enumerate(found)}
        drawn = {name: curve for name, curve in named.items() if len(curve)}
        title = "rank correlation with the landscape"
        write_atomic(folder / "correlation.png", png(comparison_figure(drawn, "correlation", title)))
    for part in (*people, _by_epoch(curves)):
        if len(part):
            print(readable(part).to_string(index=False), end="\n\n")
    print(ruler.worth())
    print(f"\n{folder}: {', '.join(FILES)}")
    return result


def _check_kept(folder: Path, landscape: str, runs: Sequence[Path]) -> None:
    """Refuse to write over a table of another landscape, or one that has searches which the new one would not have."""
    file = folder / "standing.json"
    if not file.is_file():
        return
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        before = dict(content.get("runs", {}).items())  # absent in a table of an earlier version
        of_another = content["landscape"] != landscape
    except (ValueError, KeyError, AttributeError, OSError, RecursionError):
        raise InputError(f"{file}: damaged; remove it, or choose another --out") from None
    fix = f"remove {file.name}, or choose another --out"
    if of_another:
        raise InputError(f"--out {folder}: holds a table of the landscape {content['landscape']}; {fix}")
    named = {str(run.resolve()) for run in runs}
    lost = [name for name, path in before.items() if path not in named]
    if lost:
        raise InputError(f"--out {folder}: its table has {', '.join(lost)} too; name these runs as well, {fix}")


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr, flush=True)


def _curve(found: FoundNetwork[Any, Any], ruler: Ruler[Any, Any]) -> pd.DataFrame:
    """``epoch`` and ``correlation`` of a search; no rows where it has none."""
    values = [] if found.probabilities is None else ruler.correlations(found.probabilities)
    return pd.DataFrame({"epoch": list(found.epochs), "correlation": pd.Series(values, dtype=float)})


def standing_table(
    ruler: Ruler[Any, Any], found: Sequence[FoundNetwork[Any, Any]], curves: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """One row for each search, then those of ``Ruler.fixed_rows``.

    Args:
        ruler: of the landscape.
        found: what the searches have found.
        curves: ``epoch`` and ``correlation`` of each.

    Returns:
        Columns: network, group, strategy, miou or accuracy (percent), score (measured or predicted), its percentile
        and regret (points), predicted_percentile, predicted_regret, correlation (of the last epoch), largest (of all
        epochs), largest_epoch, architecture.
    """
    rows = []
    for one in found:
        curve = curves[one.name].dropna()
        row: dict[str, Any] = {"group": one.group, "strategy": one.strategy}
        row |= {"correlation": None, "largest": None, "largest_epoch": None}
        if len(curve):
            best = curve.iloc[int(curve["correlation"].to_numpy().argmax())]
            row |= {"correlation": curve["correlation"].iloc[-1], "largest": best["correlation"]}
            row["largest_epoch"] = int(best["epoch"])
        rows.append(ruler.row(one.name, one.network, row))
    columns = ["network", "group", "strategy", ruler.measure, "score", "percentile", "regret", "predicted_percentile"]
    columns += ["predicted_regret", "correlation", "largest", "largest_epoch", "architecture"]
    return pd.DataFrame([*rows, *ruler.fixed_rows()], columns=columns)


def group_table(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The mean of each group with several searches; the standard deviation of its regret in ``regret_sd``.

    ``measured`` and ``predicted`` tell of how many choices the group's score, percentile and regret are which.
    """
    rows = []
    columns = [measure, "percentile", "regret", "predicted_percentile", "predicted_regret", "correlation", "largest"]
    for group, members in table.groupby("group", sort=False):
        if len(members) > 1:
            numbers = members[columns].apply(pd.to_numeric)
            kinds = {kind: int((members["score"] == kind).sum()) for kind in KINDS}
            row = {"group": group, "searches": len(members), **kinds, **numbers.mean().to_dict()}
            rows.append({**row, "regret_sd": numbers["regret"].std()})
    return pd.DataFrame(rows, columns=["group", "searches", *KINDS, *columns, "regret_sd"])


def _by_epoch(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The correlation at up to ``SHOWN`` evenly spaced epochs of the search that has most."""
    known = max((curve["epoch"].tolist() for curve in curves.values()), key=len, default=[])
    places = sorted({-(-len(known) * step // SHOWN) for step in range(1, SHOWN + 1)} - {0})
    epochs = [int(known[place - 1]) for place in places]
    rows = []
    for name, curve in curves.items():
        by_epoch = dict(zip(curve["epoch"], curve["correlation"], strict=True))
        if by_epoch:
            rows.append({"correlation at epoch": name, **{str(epoch): by_epoch.get(epoch) for epoch in epochs}})
    return pd.DataFrame(rows)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return records
