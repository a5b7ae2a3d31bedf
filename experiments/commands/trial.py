"""What NNI starts for each trial: one search with the parameters that NNI gives.

``trialCommand: ssr-nas trial --config search.yml``; keys of the search space are the dotted keys of ``ssr-nas search``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.data import load
from experiments.nni_manager.trial import Manager, offer_curves, output_folder, with_parameters
from experiments.options.groups import part_of
from experiments.report.page import write_report
from experiments.runs.files import write_atomic
from experiments.runs.folder import prepare_run, read_summary, write_config
from experiments.runs.lock import locked
from experiments.search.bounds import TABLE, latency_table, make_constraint
from experiments.search.multi_trial import MultiTrialSearch
from experiments.search.one_shot import Search
from experiments.search.options import SearchOptions, check_data, check_options
from strategies.registry import MULTI_TRIAL, NNI_STRATEGIES


@dataclass
class Options(SearchOptions):
    """Options of ``ssr-nas trial``: those of ``search``, where NNI's parameters do not say otherwise."""


def run(options: Options) -> dict[str, Any]:
    """Search, report to NNI, and leave the run's files in NNI's output folder of the trial.

    Returns:
        The content of ``search.json`` and the run's folder.
    """
    folder = output_folder() or prepare_run(None, "trial", "trial")
    with locked(folder, wait=True):
        offer_curves(folder)
        manager = Manager(folder)
        options = with_parameters(options, manager.parameters)
        check_options(options)
        return {**_search(options, folder, manager), "run": str(folder)}


def _search(options: Options, folder: Path, manager: Manager) -> dict[str, Any]:
    data = load(options.data)
    check_data(options, data)
    if not (folder / "search.json").is_file():
        own, classes = part_of(SearchOptions, options), len(data.classes)
        make_constraint(options, classes)  # what cannot be met is told before latency is measured
        table = latency_table(options, classes, folder)
        constraint = make_constraint(options, classes, table)
        write_config(folder, options)
        if table is not None:
            write_atomic(folder / TABLE, table.to_json())
        checkpoint = folder / "checkpoints" / "last.ckpt"
        goes_on = checkpoint.is_file() and options.strategy not in NNI_STRATEGIES
        kind = MultiTrialSearch if options.strategy in MULTI_TRIAL else Search
        kind(own, data, folder, constraint, manager.listen(folder, len(data.train))).execute(
            checkpoint if goes_on else None
        )
    write_report(folder)
    summary = read_summary(folder / "search.json")
    manager.finish(summary, (folder / "architecture.json").read_text(encoding="utf-8"), options.data)
    return summary
