"""What finished runs have left, read for a table: every value is of the kind that it must be, or is named."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.runs.folder import read_summary
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

REPEAT = "remove the file and repeat the command"
COSTS = ("cost.params", "cost.macs_total")
OF_SEARCH = ("entropy.final", "time.total_s", *COSTS)
OF_RETRAINING = ("miou", *COSTS)
UNSURE = ("miou.supernet", "miou.derived", "gap.loss_supernet", "gap.loss_derived", "discrete_epoch")
"""Numbers that are null where nobody has taken them, or they were not finite."""
TEXTS = ("cost.size", "miou.resolution")
"""Absent in files of earlier versions."""
LARGEST = 2.0**200


def read_search(path: Path) -> dict[str, Any]:
    """The ``search.json`` of a finished search.

    Raises:
        InputError: it is missing or damaged; the message names it and the key.
    """
    summary = read_summary(path, ("gap_before", "discrete", "removals"))
    _check_numbers(path, summary, OF_SEARCH)
    _check_numbers(path, summary, UNSURE, optional=True)
    if "derived_full" in summary["miou"]:  # absent in files of earlier versions
        _check_numbers(path, summary, ["miou.derived_full"], optional=True)
    if summary["gap_before"] is not None:
        _check_numbers(path, summary, [f"gap_before.{name}" for name in ("loss_supernet", "loss_derived")], True)
    if not isinstance(summary["discrete"], bool):
        raise _wrong(path, "discrete", "true or false", summary["discrete"])
    _check_texts(path, summary)
    removals = summary["removals"]
    if not isinstance(removals, list):
        raise _wrong(path, "removals", "a list", removals)
    for place, removal in enumerate(removals):
        _check_numbers(path, {f"removals[{place}]": removal}, [f"removals[{place}].epoch"])
        if not isinstance(removal.get("level"), str) or not isinstance(removal.get("rule"), str):
            raise _wrong(path, f"removals[{place}]", "a level and a rule in words", removal)
    try:
        SpaceConfig.from_dict(summary.get("space", {}))
    except InputError as error:
        raise InputError(f"{path}: {error}; {REPEAT}") from None
    return summary


def read_retraining(path: Path) -> dict[str, Any]:
    """The ``retrain.json`` of a finished training; errors as of ``read_search``."""
    summary = read_summary(path)
    _check_numbers(path, summary, OF_RETRAINING)
    _check_texts(path, summary)
    return summary


def read_metrics(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The ``metrics.csv`` of a run.

    Args:
        path: the file.
        columns: of numbers, that it must have.

    Raises:
        InputError: it cannot be read, holds no epoch, or a column is missing or holds what is no number.
    """
    try:
        metrics = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    missing = [column for column in columns if column not in metrics]
    if missing or metrics.empty:
        raise InputError(f"{path}: {f'column {missing[0]} is missing' if missing else 'holds no epoch'}")
    wrong = next((name for name in columns if not pd.api.types.is_numeric_dtype(metrics[name])), None)
    if wrong is not None:
        fix = "take the file from where the search wrote it"
        raise InputError(f"{path}: column {wrong} holds what is no number; {fix}")
    return metrics


def _check_numbers(path: Path, summary: Mapping[str, Any], keys: Iterable[str], optional: bool = False) -> None:
    """Each key, such as ``miou.derived``, must lead to a finite number; where it is optional, to null or a number."""
    for key in keys:
        value: Any = summary
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise InputError(f"{path}: {key} is missing; {REPEAT}")
            value = value[part]
        if value is None and optional:
            continue
        # An integer may be too long for a float.
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise _wrong(path, key, "a number", value)


def _check_texts(path: Path, summary: Mapping[str, Any]) -> None:
    for key in TEXTS:
        group, name = key.split(".")
        content = summary[group] if group in summary else {}
        text = content.get(name, "") if isinstance(content, Mapping) else ""
        if not isinstance(text, str):
            raise _wrong(path, key, "a text", text)


def _wrong(path: Path, key: str, kind: str, value: object) -> InputError:
    return InputError(f"{path}: {key} must be {kind}, and is {str(value)[:60]!r}; {REPEAT}")
