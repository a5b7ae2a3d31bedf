"""The tables of benchmarks: what every network of a space scored, trained by others.

Two formats are read: the JSON file of NAS-Bench-Macro (a digit a layer -> its accuracies), and the CSV file of
NAS-Bench-201 (a row for each cell). Accuracies there are in percent.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.landscape.known_space import NAS_BENCH_201, NAS_BENCH_MACRO, KnownNetwork, KnownSpace
from nas_space.errors import InputError
from nas_space.text_file import read_text, reason

CELL, ACCURACY = "ArchitectureString", "CIFAR10TestAccuracy200Epochs"
"""Columns of NAS-Bench-201."""
TRAININGS = "test_acc"
"""Key of NAS-Bench-Macro: the accuracy of each training."""


@dataclass(frozen=True)
class KnownTable:
    """A benchmark's table.

    Args:
        name: of its file, without suffix.
        space: its networks.
        trainings: test accuracies of each network, in [0, 1], one for each training that the table tells.
    """

    name: str
    space: KnownSpace
    trainings: Mapping[KnownNetwork, tuple[float, ...]]


def read_known_table(path: str | Path) -> KnownTable | None:
    """Read a benchmark's table; None where the file is none, or there is no such file.

    Raises:
        InputError: it is one and cannot be used; the message names the line or network.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".json") or not path.is_file():
        return None
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); give the table of a landscape") from None
    found = _macro_rows(text) if path.suffix == ".json" else _cell_rows(text)
    if found is None:
        return None
    space, rows = found
    trainings: dict[KnownNetwork, tuple[float, ...]] = {}
    for key, place, values in rows:
        try:
            network = space.read(key)
            if network in trainings:
                raise ValueError(f"{key} stands there twice")
            trainings[network] = tuple(_share(value) for value in values)
            if not trainings[network]:
                raise ValueError("it has no accuracy")
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"{path}: {place}: {error}; take the table as it was published") from None
    if not trainings:
        raise InputError(f"{path}: holds no network; take the table as it was published")
    return KnownTable(path.stem, space, trainings)


def scores_of(table: KnownTable) -> dict[KnownNetwork, float]:
    """The score of each network: the mean over its trainings, in [0, 1]."""
    return {network: fmean(values) for network, values in table.trainings.items()}


def _share(value: Any) -> float:
    accuracy = float(value)
    if not 0.0 <= accuracy <= 100.0:
        raise ValueError(f"accuracy {value} must be from 0 to 100")
    return accuracy / 100


Rows = Iterator[tuple[str, str, list[Any]]]
"""Key, place in the file and accuracies of each network."""


def _macro_rows(text: str) -> tuple[KnownSpace, Rows] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    first = next(iter(content.values()), None) if isinstance(content, dict) else None
    if not isinstance(first, dict) or TRAININGS not in first:
        return None
    return NAS_BENCH_MACRO, ((key, f"network {key[:40]}", _list(row)) for key, row in content.items())


def _list(row: Any) -> list[Any]:
    values = row.get(TRAININGS) if isinstance(row, dict) else None
    return values if isinstance(values, list) else []


def _cell_rows(text: str) -> tuple[KnownSpace, Rows] | None:
    try:
        lines = csv.DictReader(io.StringIO(text))
        if not {CELL, ACCURACY} <= set(lines.fieldnames or ()):
            return None
        rows = list(enumerate(lines, 2))
    except csv.Error:  # a field without end, or a NUL
        return None
    return NAS_BENCH_201, ((row[CELL] or "", f"line {number}", [row[ACCURACY]]) for number, row in rows)
