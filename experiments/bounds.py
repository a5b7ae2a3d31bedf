"""From the options' bounds to the constraint of a search."""

from pathlib import Path

import torch

from experiments.latency import build
from experiments.latency.engines import find_engine
from experiments.runs import write_atomic
from experiments.search_options import SearchOptions
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.latency import LatencyTable
from nas_space.tabulated_cost import TabulatedCost, counted_cost
from strategies.constraint import Bound, Constraint

TABLE = "latency.json"


def make_constraint(options: SearchOptions, num_classes: int, run: Path | None = None) -> Constraint | None:
    """The bounds that the options give, or None.

    Args:
        options: checked options.
        num_classes: classes of the data set.
        run: the run's folder, where a latency table is kept that had to be measured first. Without it nothing is measured, and
            a bound on latency without a table is left out: to check the rest before anything is written.

    Raises:
        InputError: a bound below the smallest network, a table that does not fit, an engine that is not there.
    """
    space, size, given = options.space.resolve(), options.cost_size, options.constraint
    bounds = [
        Bound(key, counted_cost(space, kind, size, num_classes, options.resolved_device), float(getattr(given, key)))
        for key, kind in (("macs", "macs_total"), ("params", "params"))
        if getattr(given, key) is not None
    ]
    if given.latency_ms is not None and (given.table is not None or run is not None):
        table = _latency_table(options, space, num_classes, run)
        bounds.append(Bound("latency_ms", latency_cost(table, space, options.resolved_device), given.latency_ms))
    elif given.latency_ms is not None:
        find_engine(given.engine)
    return Constraint(bounds, space).to(options.resolved_device) if bounds else None


def latency_cost(table: LatencyTable, space: SpaceConfig, device: str = "cpu") -> TabulatedCost:
    """Predicted latency in milliseconds, as a table of the space."""
    tables = [torch.as_tensor(stage, dtype=torch.float64) for stage in table.tabulate(space)]
    return TabulatedCost(space, table.fixed_ms, tables, device)


def _latency_table(options: SearchOptions, space: SpaceConfig, num_classes: int, run: Path | None) -> LatencyTable:
    size, engine = options.cost_size, options.constraint.engine
    kept = None if run is None else run / TABLE
    if kept is not None and kept.is_file():  # the run's own: a resumed search does not depend on the file that was given
        table = LatencyTable.load(kept)
    elif options.constraint.table is not None:
        table = LatencyTable.load(options.constraint.table)
    else:
        table = build.build_table(space, size, num_classes, engine)
    table.check(space, size, engine)
    if kept is not None and not kept.is_file():
        write_atomic(kept, table.to_json())
    if table.classes != num_classes:
        raise InputError(f"constraint.table: made for {table.classes} classes, the data has {num_classes}; build another")
    return table
