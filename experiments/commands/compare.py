"""Compare strategies by seeds, beside random networks.

Each strategy searches with several seeds. What is found is retrained beside baselines and random networks.
"""

import sys
from pathlib import Path
from typing import Any

from experiments.search import comparison
from nas_space.errors import InputError

Options = comparison.ComparisonOptions


def run(options: Options) -> dict[str, Any]:
    """Run what is missing; write, print and return the table with both spreads (random networks, retrainings)."""
    if options.landscape is None:
        if options.runs:
            raise InputError("runs: has no effect without landscape; give --landscape FILE too")
        return _compare(options)
    from experiments.landscape.comparison import compare_runs
    from experiments.landscape.runs import check_space
    from experiments.landscape.standing import Standing
    from experiments.landscape.table_file import read_ruler

    ruler = read_ruler(options.landscape)
    if options.runs:
        return compare_runs(ruler, options.runs, options.out)
    if not isinstance(ruler, Standing):
        what = "is a benchmark's table, and has a space that is not ours"
        raise InputError(f"landscape: {options.landscape} {what}; give finished searches of that space by --runs")
    check_space(options.space.resolve(), ruler.landscape, "the searches: their space")
    result = _compare(options)
    searches = [str(Path(options.out) / "search" / name) for name in comparison.planned_searches(options)]
    return {**result, "landscape": compare_runs(ruler, searches, options.out, own=True)}


def _compare(options: Options) -> dict[str, Any]:
    from experiments.benchmark.networks.scaled import Scaler
    from experiments.report.comparison import write_comparison
    from experiments.runs.folder import write_config
    from experiments.runs.lock import locked
    from experiments.search.comparison_networks import reference_networks, write_networks
    from experiments.search.comparison_runs import retrain_run, run_all, search_run
    from experiments.search.prepare import load_data
    from strategies.registry import MULTI_TRIAL

    comparison.check_comparison(options)
    classes = len(load_data(options).classes)
    scaler = Scaler(options.cost_size, options.constraint.engine or "onnxruntime")
    references = reference_networks(options, lambda name, space: scaler(name, space, classes))
    folder = comparison.comparison_folder(options)  # before a lock is left in a folder of something else
    with locked(folder):
        comparison.comparison_folder(options)  # whoever held it has written since
        write_config(folder, options)
        searches = comparison.planned_searches(options)
        for note in comparison.unfollowed(options):
            print(f"note: {note}", file=sys.stderr, flush=True)
        runs = [search_run(folder, name, search) for name, search in searches.items()]
        run_all(runs, options.workers, "searches")
        networks = write_networks(folder, options, searches, references)
        if options.retrain_epochs:
            seeds = range(options.retrain_seeds)
            runs = [retrain_run(folder, options, name, file, seed) for name, file in networks.items() for seed in seeds]
            run_all(runs, options.workers, "retrainings")
        sampled = tuple(f"{comparison.strategy_label(name)}-" for name in MULTI_TRIAL)
        without_entropy = [name for name in searches if name.startswith(sampled)]
        retrained = networks if options.retrain_epochs else ()
        strategies = [*map(comparison.strategy_label, options.strategies), "shuffled"]
        return write_comparison(folder, searches, retrained, options.retrain_seeds, strategies, without_entropy)
