"""From the options' bounds to the constraint of a search."""

from pathlib import Path

import torch

from experiments.latency.cache import find_table
from experiments.latency.wording import describe_clock
from experiments.runs.processes import rank
from experiments.runs.progress import said
from experiments.search.options import COUNTED, SearchOptions, wanted_table
from nas_space.config import SpaceConfig
from nas_space.expected_cost import TabulatedCost, counted_cost
from nas_space.latency import LatencyTable
from strategies.constraint import Bound, Constraint
from strategies.target import Target

TABLE = "latency.json"


def make_constraint(options: SearchOptions, num_classes: int, table: LatencyTable | None = None) -> Constraint | None:
    """The bounds and the target that the options give, or None.

    Args:
        options: checked options.
        num_classes: classes of the data set.
        table: of ``latency_table``; without one a bound on latency is left out.

    Raises:
        InputError: a bound below the smallest network, a target that no network meets, a table that does not fit.
    """
    space, given, device = options.space.resolve(), options.constraint, options.resolved_device

    def counted(key: str) -> TabulatedCost:
        return counted_cost(space, COUNTED[key], options.cost_size, num_classes, device, options.counted_head)

    limits = {"macs": given.macs, "params": given.params}
    bounds = [Bound(key, counted(key), float(limit)) for key, limit in limits.items() if limit is not None]
    if given.latency_ms is not None and table is not None:
        bounds.append(Bound("latency_ms", latency_cost(table, space, device), given.latency_ms))
    if options.target.key is None or (options.target.key == "latency_ms" and table is None):
        return Constraint(bounds, space).to(device) if bounds else None
    (value,) = options.target.values
    if options.target.key == "latency_ms":
        assert table is not None
        cost = latency_cost(table, space, device)
    else:
        cost = counted(options.target.key)
    return Target(Bound(options.target.key, cost, value), bounds, space).to(device)


def latency_table(options: SearchOptions, num_classes: int, run: Path | None = None) -> LatencyTable | None:
    """The table that a bound on latency, or a target of it, needs: the run's, a given one, the cache's, or a new one.

    One line says which, and for which device the search is.

    Args:
        options: checked options.
        num_classes: classes of the data set.
        run: the folder of a run that is resumed; its own table counts, whatever has become of the file that was given.

    Returns:
        The table; None without a bound on latency.

    Raises:
        InputError: a table that does not fit, or an engine that is not there.
    """
    if not options.needs_table:
        return None
    given = options.constraint
    file = run / TABLE if run is not None and (run / TABLE).is_file() else given.table
    if file is None:
        table = find_table(wanted_table(options, num_classes), progress=said("latency table", print))
    else:
        table = LatencyTable.load(file)
        space = options.space.resolve()
        needed = {key: getattr(given, key) for key in ("engine", "precision", "threads")}
        table.check(space, options.cost_size, **needed, head=options.counted_head, classes=num_classes)
    if rank() == 0:  # the further processes of a search say nothing
        print(f"latency table   {describe_clock(table)}", flush=True)
    return table


def latency_cost(table: LatencyTable, space: SpaceConfig, device: str = "cpu") -> TabulatedCost:
    """Predicted latency in milliseconds, as a table of the space."""
    tables = [torch.as_tensor(stage, dtype=torch.float64) for stage in table.tabulate(space)]
    return TabulatedCost(space, table.fixed_ms, tables, device)
