"""Train many networks alike, to judge searches by.

The table tells where a search's choice stands (``compare --landscape``).
"""

import shlex
from dataclasses import replace
from typing import Any

from experiments.landscape.options import FREE, LandscapeOptions
from experiments.options.arguments import parse
from experiments.runs.folder import CONFIG, given_anew, resumed
from experiments.runs.processes import program

Options = LandscapeOptions


def run(options: Options) -> dict[str, Any]:
    """Train what is missing; write the table, print and return what it says."""
    from experiments.landscape.build import build
    from experiments.landscape.summary import closing_text

    summary = build(_resumed(options))
    folder = summary["run"]
    print(f"\n{summary['trainings']} trainings of {summary['trained']} networks\n\n{closing_text(summary)}\n")
    if summary["failed"]:
        print(f"failed      {len(summary['failed'])} trainings; the same command tries them again")
    print(f"run folder  {folder}  (landscape.csv, landscape.json)")
    print(f"next        {program()} compare --landscape {shlex.quote(folder)} --runs RUN,...")
    return summary


def exit_code(result: dict[str, Any]) -> int:
    """1 where a training has failed."""
    return 1 if result["failed"] else 0


def _resumed(options: Options) -> Options:
    """The options of the landscape that goes on, with those that may change as they are given now."""
    folder = resumed("landscape", options, [key for key in FREE if key != "out"])
    if folder is None:
        return options
    before, _ = parse("ssr-nas landscape", "", Options, [f"--config={folder / CONFIG}"])
    return replace(before, **{**given_anew(options, FREE), "out": str(folder), "resume": None})
