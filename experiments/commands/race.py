"""Race networks by short trainings until one is left.

All are trained for a short time, and the better half again for longer.
"""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.options.arguments import parse
from experiments.options.groups import parse_size
from experiments.race.options import FREE, RaceOptions
from experiments.runs.folder import CONFIG, given_anew, resumed
from experiments.runs.processes import program
from nas_space.architecture import Architecture

Options = RaceOptions


def run(options: Options) -> dict[str, Any]:
    """Train what is missing; write the winner, print and return what ``race.json`` says."""
    from experiments.benchmark.networks.scaled import Scaler
    from experiments.race.race import race
    from experiments.race.text import closing_text

    options = _resumed(options)

    scaler = Scaler(parse_size(options.data.size))

    def resolve(name: str, classes: int) -> Architecture:
        return scaler(name, options.space.resolve(), classes)

    summary = race(options, resolve, scaler.milliseconds)
    folder = Path(options.out)
    if summary["failed"]:
        print(f"failed      {len(summary['failed'])} trainings; the same command tries them again")
        print(f"run folder  {folder}  (race.csv)")
        return {**summary, "run": str(folder)}
    print(f"\n{closing_text(summary)}")
    print(f"run folder  {folder}  (architecture.json, race.csv, race.json)")
    print(f"next        {program()} retrain --arch {shlex.quote(str(folder))}{summary['data_flags']}")
    return {**summary, "run": str(folder)}


def exit_code(result: dict[str, Any]) -> int:
    """1 where a training has failed."""
    return 1 if result["failed"] else 0


def _resumed(options: Options) -> Options:
    """The options of the race that goes on, with those that may change as they are given now."""
    folder = resumed("race", options, FREE)
    if folder is None:
        return options
    before, _ = parse("ssr-nas race", "", Options, [f"--config={folder / CONFIG}"])
    return replace(before, **{**given_anew(options, FREE), "out": str(folder), "resume": None})
