"""From the options' bounds to the constraint of a search."""

from pathlib import Path

import torch

from experiments.latency import build
from experiments.search.options import SearchOptions
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.expected_cost import TabulatedCost, counted_cost
from nas_space.latency import LatencyTable
from strategies.constraint import Bound, Constraint

TABLE = "latency.json"


def make_constraint(options: SearchOptions, num_classes: int, table: LatencyTable | None = None) -> Constraint | None:
    """The bounds that the options give, or None.

    Args:
        options: checked options.
        num_classes: classes of the data set.
        table: of ``latency_table``; without one a bound on latency is left out, to check the others before anything is
            measured.

    Raises:
        InputError: a bound below the smallest network, a table that does not fit.
    """
    space, size, given = options.space.resolve(), options.cost_size, options.constraint
    bounds = [
        Bound(key, counted_cost(space, kind, size, num_classes, options.resolved_device), float(getattr(given, key)))
        for key, kind in (("macs", "macs_total"), ("params", "params"))
        if getattr(given, key) is not None
    ]
    if given.latency_ms is not None and table is not None:
        bounds.append(Bound("latency_ms", latency_cost(table, space, options.resolved_device), given.latency_ms))
    return Constraint(bounds, space).to(options.resolved_device) if bounds else None


def latency_table(options: SearchOptions, num_classes: int, run: Path | None = None) -> LatencyTable | None:
    """The table that a bound on latency needs: that of the run, the one that is given, or one measured now; None without such a bound.

    Args:
        options: checked options.
        num_classes: classes of the data set.
        run: the folder of a run that is resumed; its own table counts, whatever has become of the file that was given.

    Raises:
        InputError: a table that does not fit, or an engine that is not there.
    """
    if options.constraint.latency_ms is None:
        return None
    space, size, engine = options.space.resolve(), options.cost_size, options.constraint.engine
    kept = None if run is None else run / TABLE
    if kept is not None and kept.is_file():
        table = LatencyTable.load(kept)
    elif options.constraint.table is not None:
        table = LatencyTable.load(options.constraint.table)
    else:
        table = build.build_table(space, size, num_classes, engine)
    table.check(space, size, engine)
    if table.classes != num_classes:
        raise InputError(
            f"constraint.table: made for {table.classes} classes, the data has {num_classes}; build another"
        )
    return table


def latency_cost(table: LatencyTable, space: SpaceConfig, device: str = "cpu") -> TabulatedCost:
    """Predicted latency in milliseconds, as a table of the space."""
    tables = [torch.as_tensor(stage, dtype=torch.float64) for stage in table.tabulate(space)]
    return TabulatedCost(space, table.fixed_ms, tables, device)
