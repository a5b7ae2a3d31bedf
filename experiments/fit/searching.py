"""A search of a fit: the one place that says how it goes on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.options.arguments import parse
from experiments.options.groups import part_of
from experiments.race.entrants import ARCHITECTURE
from experiments.runs.decoration import decoration
from experiments.runs.folder import CONFIG, read_summary, write_config
from experiments.search.bounds import TABLE
from experiments.search.options import SearchOptions, SearchRunOptions, check_options
from experiments.search.prepare import prepare_search

SUMMARY = "search.json"
Listen = Callable[[int], Callable[[Mapping[str, Any]], None]]
"""From the training images of an epoch to what is called with every row of ``metrics.csv``."""


def read_options(folder: Path) -> SearchRunOptions:
    """The options of a search that has begun."""
    return parse("ssr-nas search", "", SearchRunOptions, [f"--config={folder / CONFIG}"])[0]


def is_searched(folder: Path) -> bool:
    """Whether a search has come to its end."""
    return (folder / SUMMARY).is_file() and (folder / ARCHITECTURE).is_file()


def search(options: SearchRunOptions, folder: Path, listen: Listen | None = None) -> dict[str, Any]:
    """Search to the end, from the folder's last checkpoint where it has one.

    Args:
        options: of the search.
        folder: of the search.
        listen: makes what hears of every epoch; None where nobody does.

    Returns:
        The content of ``search.json``.
    """
    if is_searched(folder):
        return read_summary(folder / SUMMARY)
    check_options(options)
    prepared = prepare_search(part_of(SearchOptions, options), folder)
    write_config(folder, options)
    if not (folder / TABLE).is_file():
        prepared.write_table(folder)
    summary = prepared.execute(folder, None if listen is None else listen(len(prepared.data.train)))
    with decoration(f"the report {folder / 'report.html'}"):
        from experiments.report.page import write_report

        write_report(folder)
    return summary
