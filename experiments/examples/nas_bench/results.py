"""The experiment's table: what each search has chosen, and what the benchmark says of it."""

from pathlib import Path
from typing import Any

import pandas as pd

from experiments.examples.nas_bench.worlds import WORLDS, World
from experiments.landscape.known_ruler import KnownRuler
from experiments.report.markdown import markdown, with_deviations
from experiments.runs.files import write_atomic
from experiments.runs.folder import read_summary

FILES = ("results.csv", "results.md")
PLACES = ("accuracy", "percentile", "regret", "correlation")
COLUMNS = ("world", "strategy", "seed", *PLACES, "discrete", "discrete_epoch", "skips", "trained", "minutes", "network")
MEANS = (*PLACES, "skips", "minutes")


def result_row(ruler: KnownRuler, world: World, folder: Path) -> dict[str, Any]:
    """A row of the table, with accuracy and regret in percent and points.

    Args:
        ruler: of the world's table.
        world: of the search.
        folder: of the finished search.

    Raises:
        InputError: a file is damaged.
    """
    found, summary = ruler.read(folder.name, folder), read_summary(folder / "search.json", ("seconds",))
    strategy = found.group or found.strategy
    placed = ruler.row(strategy, found.network)
    row = {key: placed[key] for key in ("accuracy", "percentile", "regret")}
    correlation = None
    if found.probabilities is not None:
        (correlation,) = ruler.correlations({label: level[-1:] for label, level in found.probabilities.items()})
    row |= {"world": world.space.name, "strategy": strategy, "seed": summary["seed"]}
    row |= {"correlation": correlation, "skips": found.network.count(world.space.skip)}
    row |= {key: summary.get(key) for key in ("discrete", "discrete_epoch", "trained")}
    return {**row, "minutes": summary["seconds"] / 60, "network": ruler.text(found.network)}


def write_results(folder: Path, rulers: dict[str, KnownRuler]) -> pd.DataFrame:
    """Write ``FILES`` from the finished searches of these worlds; return the table.

    Args:
        folder: of the experiment.
        rulers: of the worlds, by name.
    """
    rows = [
        result_row(ruler, WORLDS[name], proof.parent)
        for name, ruler in rulers.items()
        for proof in sorted((folder / name / "search").glob("*/search.json"))
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    write_atomic(folder / FILES[0], table.to_csv(index=False))
    write_atomic(folder / FILES[1], f"{markdown(mean_table(table))}\n{markdown(table)}")
    return table


def mean_table(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over the seeds; how many searches ended discrete."""
    rows = []
    for (world, strategy), members in table.groupby(["world", "strategy"], sort=False):
        row: dict[str, Any] = {"world": world, "strategy": strategy, "searches": len(members)}
        discrete = members["discrete"].dropna()
        row["discrete"] = int(discrete.sum()) if len(discrete) else None
        for column in MEANS:
            values = pd.to_numeric(members[column])
            row |= {column: values.mean(), f"{column}_sd": values.std()}
        rows.append(row)
    columns = ["world", "strategy", "searches", "discrete", *(c for m in MEANS for c in (m, f"{m}_sd"))]
    return with_deviations(pd.DataFrame(rows, columns=columns))
