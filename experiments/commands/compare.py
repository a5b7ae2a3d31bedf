"""Compare searches: strategies x seeds, their networks retrained beside baselines and random networks, one table."""

from typing import Any

from experiments.search.comparison import (
    ComparisonOptions,
    check_comparison,
    comparison_folder,
    planned_searches,
    strategy_label,
)

Options = ComparisonOptions


def run(options: Options) -> dict[str, Any]:
    """Run what is missing, then write and print the table.

    Returns:
        Rows of the table, and both spreads: between random networks, and between retrainings of one network.
    """
    from experiments.report.comparison import write_comparison
    from experiments.runs.folder import write_config
    from experiments.runs.lock import locked
    from experiments.search.comparison_networks import write_networks
    from experiments.search.comparison_runs import retrain_job, run_all, search_job
    from experiments.search.prepare import load_data
    from strategies.registry import MULTI_TRIAL

    check_comparison(options)
    load_data(options)
    folder = comparison_folder(options)  # before a lock is left in a folder of something else
    with locked(folder):
        comparison_folder(options)  # whoever held it has written since
        write_config(folder, options)
        searches = planned_searches(options)
        jobs = [search_job(folder, name, search) for name, search in searches.items()]
        run_all(jobs, options.workers, "searches")
        networks = write_networks(folder, options, searches)
        if options.retrain_epochs:
            seeds = range(options.retrain_seeds)
            jobs = [retrain_job(folder, options, name, file, seed) for name, file in networks.items() for seed in seeds]
            run_all(jobs, options.workers, "retrainings")
        sampled = tuple(f"{strategy_label(name)}-" for name in MULTI_TRIAL)
        return write_comparison(
            folder,
            searches,
            networks if options.retrain_epochs else (),
            options.retrain_seeds,
            strategies=[*map(strategy_label, options.strategies), "shuffled"],
            without_entropy=[name for name in searches if name.startswith(sampled)],
        )
