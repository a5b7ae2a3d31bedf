"""What NNI starts for each trial: one search.

``trialCommand: ssr-nas trial --config search.yml``; keys of the search space are the dotted keys of ``ssr-nas search``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.runs.decoration import decoration
from experiments.runs.folder import prepare_run, read_summary, write_config
from experiments.runs.lock import locked
from experiments.search.options import SearchOptions, check_options

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.nni_manager.trial import Manager


@dataclass
class Options(SearchOptions):
    """Options of ``ssr-nas trial``: those of ``search``, where NNI's parameters do not say otherwise."""


def run(options: Options) -> dict[str, Any]:
    """Search in NNI's output folder of the trial, report to NNI; return ``search.json`` and the folder."""
    from experiments.nni_manager.trial import Manager, offer_curves, output_folder, with_parameters

    folder = output_folder() or prepare_run(None, "trial", "trial")
    with locked(folder, wait=True):
        offer_curves(folder)
        manager = Manager(folder)
        options = with_parameters(options, manager.parameters)
        check_options(options)
        return {**_search(options, folder, manager), "run": str(folder)}


def _search(options: Options, folder: "Path", manager: "Manager") -> dict[str, Any]:
    from experiments.search.prepare import prepare_search

    if not (folder / "search.json").is_file():
        prepared = prepare_search(options, folder)
        write_config(folder, options)
        prepared.write_table(folder)
        prepared.execute(folder, manager.listen(folder, len(prepared.data.train)))
    summary = read_summary(folder / "search.json")
    manager.finish(folder, summary, (folder / "architecture.json").read_text(encoding="utf-8"), options.data)
    with decoration(f"the report {folder / 'report.html'}"):
        from experiments.report.page import write_report

        write_report(folder)
    return summary
