"""What an NNI experiment recorded, read from its database: also while its manager is stopped, and without disturbing one that runs."""

import json
import math
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.report.pareto import front
from nas_space.errors import InputError

HOME = "nni-experiments"


@dataclass(frozen=True)
class Trial:
    """One trial of an experiment.

    Args:
        name: NNI's id.
        number: its place in the order of submission, from 0.
        status: ``SUCCEEDED``, ``FAILED``, ``RUNNING``, ...
        parameters: as the tuner gave them.
        result: its final metric, empty where there is none.
    """

    name: str
    number: int
    status: str
    parameters: dict[str, Any]
    result: dict[str, Any]

    @property
    def has_network(self) -> bool:
        """Whether it has left an architecture, with what the best one is chosen by; trials of other programs leave other metrics."""
        return {"architecture", "default", "macs"} <= self.result.keys()


@dataclass(frozen=True)
class Record:
    """An experiment: its name and its trials in the order of their submission."""

    name: str
    trials: tuple[Trial, ...]

    def best(self) -> Trial:
        """The trial whose derived network has the highest mIoU; of equal ones the cheaper, then the earlier.

        Raises:
            InputError: no trial has left a network.
        """
        return max(self._networks(), key=lambda trial: (trial.result["default"], -trial.result["macs"], -trial.number))

    def pareto(self) -> list[Trial]:
        """The trials that no other beats in mIoU and MACs, the cheapest first.

        Raises:
            InputError: no trial has left a network.
        """
        trials = self._networks()
        best = front([trial.result for trial in trials], better="default", cost="macs")
        return sorted(
            (trial for trial, keep in zip(trials, best, strict=True) if keep),
            key=lambda trial: float(trial.result["macs"]),
        )

    def _networks(self) -> list[Trial]:
        trials = [trial for trial in self.trials if trial.has_network]
        if not trials:
            raise InputError(
                f"experiment {self.name}: no trial has left a network; look for the reason in the trials' stderr"
            )
        return trials

    def table(self) -> pd.DataFrame:
        """A row a trial: status, what distinguishes its parameters, and the result; NaN where a trial has not reported it."""
        flat = [_flat(trial.parameters) for trial in self.trials]
        keys = dict.fromkeys(key for row in flat for key in row)
        shown = [key for key in keys if len({json.dumps(row.get(key)) for row in flat}) > 1 or len(flat) == 1]
        rows = []
        for trial, values in zip(self.trials, flat, strict=True):
            result = trial.result
            rows.append(
                {
                    "trial": trial.name,
                    "status": trial.status,
                    **{key: values.get(key) for key in shown},
                    "mIoU %": 100 * result.get("default", math.nan),
                    "super-network %": 100 * result.get("miou_supernet", math.nan),
                    "MACs M": result.get("macs", math.nan) / 1e6,
                    "discrete": bool(result["discrete"]) if "discrete" in result else math.nan,
                    "seconds": result.get("seconds", math.nan),
                }
            )
        return pd.DataFrame(rows)


def database(experiment: str) -> Path:
    """The database of an experiment, by NNI's id.

    Raises:
        InputError: there is none.
    """
    if not re.fullmatch(r"[\w-]{1,32}", experiment):
        raise InputError(f"{experiment}: not an experiment's id; `nnictl experiment list --all` shows them")
    home = Path.home() / HOME
    manifest = home / ".experiment"
    try:
        known = json.loads(manifest.read_text(encoding="utf-8"))
        folder = Path(known[experiment]["logDir"])
    except (OSError, ValueError, KeyError, TypeError):
        folder = home
    path = folder / experiment / "db" / "nni.sqlite"
    if not path.is_file():
        raise InputError(
            f"{experiment}: no such experiment in {folder}; `nnictl experiment list --all` shows their ids"
        )
    return path


def read_record(experiment: str) -> Record:
    """All trials of an experiment.

    Raises:
        InputError: there is no such experiment, or its database is damaged.
    """
    path = database(experiment)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            profiles = connection.execute(
                "select params from ExperimentProfile order by revision desc limit 1"
            ).fetchall()
            query = "select trialJobId, event, data, sequenceId from TrialJobEvent order by timestamp, rowid"
            events = connection.execute(query).fetchall()
            query = "select trialJobId, data from MetricData where type = 'FINAL' order by timestamp, rowid"
            metrics = connection.execute(query).fetchall()
        name = str(json.loads(profiles[0][0]).get("experimentName") or experiment) if profiles else experiment
        results = {trial: metric_of(data) for trial, data in metrics}
        return Record(name, tuple(_trials(events, results)))
    except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: cannot be read as NNI's database ({error})") from None


def _trials(events: list[tuple[str, str, str | None, int | None]], results: dict[str, dict[str, Any]]) -> list[Trial]:
    found: dict[str, dict[str, Any]] = {}
    for name, event, data, number in events:
        trial = found.setdefault(name, {"number": number, "status": event, "parameters": {}})
        trial["status"] = event
        if trial["number"] is None:
            trial["number"] = number
        if data:
            trial["parameters"] = json.loads(data).get("parameters") or trial["parameters"]
    trials = (
        Trial(name=name, result=results.get(name, {}), **{**trial, "number": trial["number"] or 0})
        for name, trial in found.items()
    )
    return sorted(trials, key=lambda trial: trial.number)


def metric_of(data: str) -> dict[str, Any]:
    """A metric as it was reported; NNI keeps it as JSON inside of JSON."""
    value = json.loads(data)
    value = json.loads(value) if isinstance(value, str) else value
    return value if isinstance(value, dict) else {"default": value}


def _flat(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters by key; of a nested choice its name, which stands for the rest."""
    return {key: value.get("_name", value) if isinstance(value, dict) else value for key, value in parameters.items()}
