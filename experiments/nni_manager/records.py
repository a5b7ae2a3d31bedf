"""What an NNI experiment recorded: its trials, also while its manager is stopped."""

import json
import math
import re
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.nni_manager.nni_internals import database, read_tables
from experiments.report.pareto import front
from experiments.runs.columns import MACS, MIOU
from nas_space.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

STATUS_OF_EVENT = {"USER_TO_CANCEL": "USER_CANCELED"}  # as NNI itself shows it
LEFT = "nni.json"
"""In a trial's output folder: what is too long for a metric, whose every text covers the web UI's charts."""


ID = r"[\w-]+"
"""Of a trial: it becomes part of a file's name."""
NUMBERS = ("default", "macs", "miou_supernet", "seconds")
"""What is computed with; a trial of another program may report anything under these names."""


@dataclass(frozen=True)
class Trial:
    """One trial of an experiment.

    Args:
        name: NNI's id.
        number: its place in the order of submission, from 0.
        status: ``SUCCEEDED``, ``FAILED``, ``RUNNING``, ...
        parameters: as the tuner gave them.
        result: its final metric with what it has left beside it, empty where there is none.
    """

    name: str
    number: int
    status: str
    parameters: dict[str, Any]
    result: dict[str, Any]

    @property
    def has_network(self) -> bool:
        """Whether it has left an architecture and its scores; trials of other programs leave other metrics.

        The scores alone tell it: where a best network's file is gone, no other trial may take its place unnoticed.
        """
        ours = {"architecture", "searched"} & self.result.keys()
        return bool(ours) and {"default", "macs"} <= self.result.keys()


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
        on_front = front([trial.result for trial in trials], better="default", cost="macs")
        best = [trial for trial, chosen in zip(trials, on_front, strict=True) if chosen]
        return sorted(best, key=lambda trial: float(trial.result["macs"]))

    def _networks(self) -> list[Trial]:
        trials = [trial for trial in self.trials if trial.has_network]
        if not trials:
            reason = "no trial has left a network; look for the reason in the trials' stderr"
            raise InputError(f"experiment {self.name}: {reason}")
        return trials

    def table(self) -> "pd.DataFrame":
        """A row a trial: status, the parameters that differ, and the result; NaN where it has not reported one."""
        import pandas as pd

        parameters = [by_name(trial.parameters) for trial in self.trials]
        keys = dict.fromkeys(key for values in parameters for key in values)
        single = len(parameters) == 1
        shown = [key for key in keys if single or len({json.dumps(values.get(key)) for values in parameters}) > 1]
        named = any("resolution" in trial.result for trial in self.trials)  # not in those of earlier versions
        rows = [
            {
                "trial": trial.name,
                "status": trial.status,
                # pandas before 3, which Python 3.10 has, would print None.
                **{key: math.nan if values.get(key) is None else values[key] for key in shown},
                MIOU.name: 100 * trial.result.get("default", math.nan),
                f"super-network {MIOU.name}": 100 * trial.result.get("miou_supernet", math.nan),
                **(_resolution(trial) if named else {}),
                MACS.name: trial.result.get("macs", math.nan) / MACS.unit,
                "discrete": bool(trial.result["discrete"]) if "discrete" in trial.result else math.nan,
                "seconds": trial.result.get("seconds", math.nan),
            }
            for trial, values in zip(self.trials, parameters, strict=True)
        ]
        return pd.DataFrame(rows)


def _resolution(trial: Trial) -> dict[str, Any]:
    """At which labels a search scores, and the score at the size of a retraining's."""
    full = trial.result.get("miou_full")
    return {
        "labels": trial.result.get("resolution") or math.nan,
        f"{MIOU.name}, full labels": math.nan if full is None else 100 * full,
    }


def read_record(experiment: str) -> Record:
    """All trials of an experiment.

    Raises:
        InputError: there is no such experiment, or its database is damaged.
    """
    path = database(experiment)
    try:
        profiles, events, metrics = read_tables(path)
        name = str(json.loads(profiles[0][1]).get("experimentName") or experiment) if profiles else experiment
        results = {
            trial: _usable({**metric_of(data), **_left(path.parents[1], trial)})
            for trial, data in metrics
            if re.fullmatch(ID, str(trial))
        }
        return Record(name, tuple(_trials(events, results)))
    except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as NNI's database ({error})") from None


def _left(experiment: Path, trial: str) -> dict[str, Any]:
    """What a trial on this machine has left in its output folder; nothing where it ran elsewhere."""
    for folder in experiment.glob("environments/*/trials"):
        file = folder / trial / LEFT
        with suppress(OSError, ValueError, RecursionError):
            content = json.loads(file.read_text(encoding="utf-8"))
            return content if isinstance(content, dict) else {}
    return {}


def _trials(events: Sequence[tuple[Any, ...]], results: Mapping[str, dict[str, Any]]) -> list[Trial]:
    numbers: dict[str, int | None] = {}
    status: dict[str, str] = {}
    parameters: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for name, event, data, number in events:
        if not name:  # of the experiment: imported data, or parameters that somebody has added
            continue
        if not re.fullmatch(ID, str(name)):
            raise ValueError(f"{name!r} is no trial's id")
        status[name] = STATUS_OF_EVENT.get(str(event), str(event))
        if numbers.get(name) is None:
            numbers[name] = number if isinstance(number, int) else None
        if data:
            given = json.loads(data).get("parameters") or parameters[name]
            parameters[name] = given if isinstance(given, dict) else {"parameters": given}
    trials = [Trial(name, numbers[name] or 0, status[name], parameters[name], results.get(name, {})) for name in status]
    return sorted(trials, key=lambda trial: trial.number)


def metric_of(data: str) -> dict[str, Any]:
    """A metric as it was reported; NNI stores it as JSON inside of JSON."""
    value = json.loads(data)
    value = json.loads(value) if isinstance(value, str) else value
    return value if isinstance(value, dict) else {"default": value}


def _usable(result: dict[str, Any]) -> dict[str, Any]:
    """``result`` without what is no number, or no truth value, where one is due."""
    wrong = {key for key in NUMBERS if key in result and not _is_number(result[key])}
    if not isinstance(result.get("discrete", 0), bool | int | float):
        wrong.add("discrete")
    return {key: value for key, value in result.items() if key not in wrong}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def by_name(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's parameters by key; a nested choice has its name as its value, what else is nested its JSON."""
    named = {key: value.get("_name", value) if isinstance(value, dict) else value for key, value in parameters.items()}
    plain = {key: isinstance(value, str | bool | list | None) or _is_number(value) for key, value in named.items()}
    return {key: value if plain[key] else json.dumps(value) for key, value in named.items()}
