"""The trainings of a race on disk: ``race.csv``, a row for each."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.runs.files import write_atomic
from nas_space.cost import Cost
from nas_space.errors import InputError
from nas_space.text_file import read_text, reason

TABLE = "race.csv"
COLUMNS = ("round", "epochs", "name", "seed", "miou", "macs", "params", "minutes")


@dataclass(frozen=True)
class RaceRow:
    """One training.

    Args:
        round: from 1 on.
        epochs: of each stage.
        name: of the network.
        seed: of weights and batches.
        miou: in [0, 1], on the training images held out.
        minutes: training and scoring.
    """

    round: int
    epochs: int
    name: str
    seed: int
    miou: float
    minutes: float

    @property
    def key(self) -> tuple[int, str, int]:
        """What tells it from the others."""
        return self.round, self.name, self.seed


def write_rows(table: Path, rows: Iterable[RaceRow], costs: Mapping[str, Cost]) -> None:
    """Write the table, whole: no row is ever half written."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cost = costs[row.name]
        numbers = (row.seed, row.miou, round(cost.macs_total), round(cost.params), round(row.minutes, 3))
        writer.writerow([row.round, row.epochs, row.name, *numbers])
    write_atomic(table, text.getvalue())


def read_rows(table: Path, names: Iterable[str], seeds: Iterable[int]) -> list[RaceRow]:
    """What ``write_rows`` wrote; none where there is no such file.

    Args:
        table: the file.
        names: of the networks of the race.
        seeds: of the race.

    Raises:
        InputError: it cannot be read, a row holds what it must not, or a training stands there twice.
    """
    if not table.is_file():
        return []
    try:
        lines = list(csv.DictReader(io.StringIO(read_text(table))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error if isinstance(error, csv.Error) else reason(error)
        raise InputError(f"{table}: cannot be read ({why}); remove it to train again") from None
    rows: dict[tuple[int, str, int], RaceRow] = {}
    known = {(name, seed) for name in names for seed in seeds}
    for number, line in enumerate(lines, 2):
        try:
            row = RaceRow(
                int(line["round"]),
                int(line["epochs"]),
                line["name"],
                int(line["seed"]),
                float(line["miou"]),
                float(line["minutes"]),
            )
            if (row.name, row.seed) not in known or not 0.0 <= row.miou <= 1.0:
                raise ValueError("no network and seed of this race, or a miou that is not from 0 to 1")
            if row.round < 1 or row.epochs < 1 or not 0.0 <= row.minutes < math.inf:
                raise ValueError("round, epochs and minutes must be positive numbers")
            if row.key in rows:
                raise ValueError("this training stands there twice")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise InputError(f"{table}: line {number}: {what}; put it right, or remove the line") from None
        rows[row.key] = row
    return list(rows.values())
