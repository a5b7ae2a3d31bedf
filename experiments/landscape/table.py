"""A landscape on disk: ``NAME.csv``, a row for each training, and ``NAME.json`` beside it, which says how.

Columns of the table: name (baseline1, baseline2, random-0, ...), architecture (``notation.py``), seed, miou (in [0, 1],
after the last epoch, on the validation split), macs and params (of one image of ``data.size``), minutes.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from experiments.landscape.notation import from_text, to_text
from experiments.landscape.shipped import shipped_names, table_of_name
from experiments.runs.files import write_atomic, write_json
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.text_file import read_text, reason

TABLE = "landscape.csv"
SCHEMA = 1
COLUMNS = ("name", "architecture", "seed", "miou", "macs", "params", "minutes")
HAND_MADE = ("baseline1", "baseline2")
NEEDED: Mapping[str, type] = {"space": dict, "data": dict, "recipe": dict, "resolution": str}
"""What the JSON file must hold."""


@dataclass(frozen=True)
class Trained:
    """One training, a row of the table.

    Args:
        name: of the network.
        architecture: the network.
        seed: of weights and batches.
        miou: in [0, 1].
        macs: multiply-accumulates of one image, with the trained head.
        params: parameters, with the trained head.
        minutes: training and scoring.
    """

    name: str
    architecture: Architecture
    seed: int
    miou: float
    macs: float
    params: int
    minutes: float


@dataclass(frozen=True)
class Landscape:
    """A landscape that was read.

    Args:
        name: of its file, without suffix, or of its folder.
        space: what its networks were drawn from.
        rows: the trainings, at least one.
        facts: the content of the JSON file.
    """

    name: str
    space: SpaceConfig
    rows: tuple[Trained, ...]
    facts: Mapping[str, Any]


def write_facts(table: Path, facts: Mapping[str, Any]) -> None:
    """Write the JSON file of a table: how its networks are trained."""
    write_json(table.with_suffix(".json"), {"schema": SCHEMA, **facts})


def write_rows(table: Path, rows: Iterable[Trained]) -> None:
    """Write the table, whole: no row is ever half written."""
    write_atomic(table, _text(rows))


def digest(rows: Iterable[Trained]) -> str:
    """What tells a table's content from another's."""
    return sha256(_text(rows).encode()).hexdigest()


def _text(rows: Iterable[Trained]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        numbers = (row.seed, row.miou, round(row.macs), row.params, round(row.minutes, 3))
        writer.writerow([row.name, to_text(row.architecture), *numbers])
    return text.getvalue()


def read_landscape(path: str | Path) -> Landscape:
    """Read a landscape.

    Args:
        path: its table, the folder of ``ssr-nas landscape``, or the name of one that comes with the package.

    Raises:
        InputError: a file is missing or damaged, or holds no training; the message names it. Or a landscape here has
            the name of one that comes with the package.
    """
    table, shipped = Path(path), table_of_name(str(path))
    if shipped is not None and (table.is_file() or (table / TABLE).is_file()):
        raise InputError(f"landscape: {path} is here and comes with the package; give ./{path}, or {shipped}")
    table = table / TABLE if table.is_dir() else table
    table = shipped or table
    facts = read_facts(table.with_suffix(".json"), table)
    space = SpaceConfig.from_dict(facts["space"])
    rows = read_rows(table, space)
    if not rows:
        raise InputError(f"{table}: holds no training yet; go on with ssr-nas landscape --resume {table.parent}")
    return Landscape(table.stem if table.name != TABLE else table.absolute().parent.name, space, rows, facts)


def read_facts(file: Path, table: Path) -> dict[str, Any]:
    """What ``write_facts`` wrote.

    Args:
        file: the JSON file.
        table: of which it tells.

    Raises:
        InputError: one of both is missing, or the file is damaged.
    """
    if not table.is_file():
        names = ", ".join(shipped_names())
        fix = f"give the table of a landscape, such as runs/landscape/{TABLE}, or one that comes with the package"
        raise InputError(f"{table}: no such file; {fix} ({names})")
    try:
        facts = json.loads(read_text(file))
        SpaceConfig.from_dict(facts["space"])
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; it says how {table.name} was made, put it beside it") from None
    except (OSError, ValueError, RecursionError, KeyError, TypeError, InputError) as error:
        what = f"is no description of a landscape ({reason(error) if isinstance(error, OSError) else error})"
        raise InputError(f"{file}: {' '.join(what.split())}; take the file that was beside {table.name}") from None
    missing = [key for key, kind in NEEDED.items() if not isinstance(facts.get(key), kind)]
    if missing or facts.get("schema") != SCHEMA:
        what = f"{missing[0]} is missing" if missing else f"schema must be {SCHEMA}"
        raise InputError(f"{file}: {what}; take the file that was beside {table.name}")
    return dict(facts)


def read_rows(table: Path, space: SpaceConfig) -> tuple[Trained, ...]:
    """The rows of a table.

    Args:
        table: the CSV file.
        space: which contains its networks.

    Raises:
        InputError: it cannot be read, a row holds what it must not, or a training stands there twice.
    """
    try:
        lines = list(csv.DictReader(io.StringIO(read_text(table))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error if isinstance(error, csv.Error) else reason(error)
        raise InputError(f"{table}: cannot be read ({why}); give the table of a landscape") from None
    rows = []
    for number, line in enumerate(lines, 2):
        try:
            rows.append(_row(space, line))
        except (KeyError, TypeError, ValueError, OverflowError, InputError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise InputError(f"{table}: line {number}: {what}; put it right, or remove the line") from None
    seen = Counter((row.architecture, row.seed) for row in rows)
    twice = next((row for row in rows if seen[row.architecture, row.seed] > 1), None)
    if twice is not None:
        raise InputError(f"{table}: {twice.name} stands there twice with seed {twice.seed}; remove one line")
    names = {row.architecture: row.name for row in rows}
    for row in rows:
        if names[row.architecture] != row.name:
            what = f"{row.name} and {names[row.architecture]} are one network"
            raise InputError(f"{table}: {what}; give all of its lines one name")
    architectures = {row.name: row.architecture for row in rows}
    if len(architectures) < len(names):
        name = next(name for architecture, name in names.items() if architectures[name] != architecture)
        raise InputError(f"{table}: {name} is the name of two networks; give each its own")
    return tuple(rows)


def _row(space: SpaceConfig, line: Mapping[str, str]) -> Trained:
    empty = next((key for key in COLUMNS if line[key] is None), None)
    if empty is not None:
        raise KeyError(empty)
    miou, macs, minutes = (float(line[key]) for key in ("miou", "macs", "minutes"))
    if not 0.0 <= miou <= 1.0:
        raise ValueError(f"miou {line['miou']} must be from 0 to 1")
    seed, params = int(line["seed"]), int(line["params"])
    if not all(0 <= number < math.inf for number in (macs, minutes, seed, params)):
        raise ValueError("seed, macs, params and minutes must be numbers, 0 or more")
    architecture = from_text(space, line["architecture"])
    return Trained(line["name"], architecture, seed, miou, macs, params, minutes)
