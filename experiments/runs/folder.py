"""A run's folder on disk: where it is, and what a run writes there and reads back."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from experiments.options.yaml_text import load_yaml
from experiments.runs.files import plain, write_atomic
from experiments.runs.lock import LOCK, locked
from experiments.runs.resumable import RESUMABLE, resumable
from nas_space.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONFIG = "config.yml"
METRICS = "metrics.csv"
SPEED = "speed.json"
"""How fast a run's network is beside ``baseline1``: ``found_ms``, ``baseline_ms``, ``source`` and ``warning``."""
LONGEST_NAME = 50  # characters of a default folder's name before its date; a file system takes 255 bytes in all


def prepare_run(out: str | None, command: str, name: str) -> Path:
    """Make and return the empty folder of a new run, when all options have been checked: nothing is written before.

    Args:
        out: the folder the user asked for; ``runs/<name>-<date>-<time>`` if absent.
        command: the command, for messages.
        name: what the default folder's name begins with; what has no place in a file's name becomes ``-``.

    Raises:
        InputError: ``out`` holds something already, or cannot be made.
    """
    folder = Path("runs") if out is None else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if out is None:
            safe = re.sub(r"^\.+|[^\w.-]", "-", name)[:LONGEST_NAME]
            return _new_folder(folder, f"{safe}-{datetime.now():%Y%m%d-%H%M%S}")
        holds_something = any(not is_leftover(entry.name) for entry in folder.iterdir())
    except OSError as error:
        reason = f"cannot be made a run folder ({error.strerror})"
        raise InputError(f"--out {folder}: {reason}; choose another --out") from None
    if holds_something:
        can_resume = command in RESUMABLE and (folder / CONFIG).is_file()
        resume = f"continue it with --resume {out}, or " if can_resume else ""
        raise InputError(f"--out {out}: holds files already; {resume}choose another --out")
    return folder


def make_folder(out: str, whose: str) -> Path:
    """Make the folder ``--out``, where it is not there, and return it.

    Args:
        out: the folder.
        whose: what it is for, for the message, such as ``comparison``.

    Raises:
        InputError: it cannot be made.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cannot be made a {whose}'s folder ({error.strerror})"
        raise InputError(f"--out {folder}: {reason}; choose another --out") from None
    return folder


def is_leftover(name: str) -> bool:
    """Whether a process that was killed before its run began may have left this file."""
    return name == LOCK or name.startswith(f".{CONFIG}.")


@contextmanager
def new_run(out: str | None, command: str, name: str, can_resume: bool = True) -> Iterator[Path]:
    """The folder of a new run, held by this process.

    Args:
        out: as of ``prepare_run``.
        command: as of ``prepare_run``. Where it has ``--resume``, an interrupt inside says so.
        name: as of ``prepare_run``.
        can_resume: whether ``--resume`` continues this run.

    Raises:
        InputError: as of ``prepare_run``, or another process works in the folder.
    """
    folder = prepare_run(out, command, name)
    with locked(folder):
        prepare_run(str(folder), command, name)  # whoever came first may have begun, and ended, since
        with resumable(command, folder) if can_resume and command in RESUMABLE else nullcontext():
            yield folder


@contextmanager
def old_run(folder: Path, command: str, is_complete: bool) -> Iterator[None]:
    """Hold the folder of a run that is continued; a complete one is not held, since it may lie where nobody can write.

    Raises:
        InputError: another process works in it.
    """
    with nullcontext() if is_complete else locked(folder), resumable(command, folder):
        yield


def _new_folder(parent: Path, name: str) -> Path:
    """A folder that nobody else has, also when two runs start within a second."""
    for attempt in range(1, 1000):
        folder = parent / (name if attempt == 1 else f"{name}-{attempt}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise InputError(f"{parent / name}: no free name for a run; give an --out")


def write_config(folder: Path, options: "DataclassInstance") -> None:
    """Write the resolved options as ``config.yml``, which ``--config`` reads back."""
    write_atomic(folder / CONFIG, yaml.safe_dump(plain(asdict(options)), sort_keys=False))


def read_config(folder: str | Path) -> dict[str, Any]:
    """What ``write_config`` wrote.

    Raises:
        InputError: the folder holds no run, or its ``config.yml`` is damaged.
    """
    path = Path(folder) / CONFIG
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{folder}: not a run ({CONFIG}: {error.strerror})") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{path}: not valid YAML; the run cannot be continued") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys and values")
    return content


def resumed(command: str, options: "DataclassInstance", free: Collection[str] = ()) -> Path | None:
    """The folder of the run that ``--resume`` names, None without it.

    Args:
        command: ``fit``, ``search``, ``retrain``, ``landscape`` or ``race``.
        options: of the command, with a field ``resume``.
        free: options that may be given beside it.

    Raises:
        InputError: another option is given, or the folder holds no run, another command's, or a damaged ``config.yml``.
    """
    values, defaults = asdict(options), asdict(type(options)())
    folder = values.pop("resume")
    if folder is None:
        return None
    given = [key for key in values if key not in free and values[key] != defaults[key]]
    if given:
        raise InputError(f"--resume takes every other option from {Path(folder) / CONFIG}: leave out --{given[0]}")
    content = read_config(folder)
    marks = {"fit": "minutes", "search": "strategy", "retrain": "peer", "landscape": "networks", "race": "entrants"}
    other = next((name for name, mark in marks.items() if mark in content and marks[command] not in content), None)
    if other is not None:
        raise InputError(f"--resume {folder}: the run of a {other}; go on with it by ssr-nas {other} --resume {folder}")
    return Path(folder)


def given_anew(options: "DataclassInstance", free: Collection[str]) -> dict[str, Any]:
    """Which of the options that may change when a run goes on have another value than the default, with that value.

    Args:
        options: as given beside ``--resume``.
        free: names of those that may change.
    """
    defaults = type(options)()
    return {key: getattr(options, key) for key in free if getattr(options, key) != getattr(defaults, key)}


def filled(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """``options`` with ``defaults`` for the keys that it does not have, in nested groups too."""
    merged = {**defaults, **options}
    groups = (key for key, value in defaults.items() if isinstance(value, Mapping) and isinstance(merged[key], Mapping))
    return merged | {key: filled(merged[key], defaults[key]) for key in groups}


def read_summary(path: Path, needed: Collection[str] = ()) -> dict[str, Any]:
    """A JSON file that a run left at its end.

    Args:
        path: the file.
        needed: keys that it must have.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__}); remove it and repeat the command") from None
    if not isinstance(summary, dict):
        raise InputError(f"{path}: is no summary of a run; remove it and repeat the command")
    missing = [key for key in needed if key not in summary]
    if missing:
        raise InputError(f"{path}: {missing[0]} is missing; remove the file and repeat the command")
    return summary


def write_metrics(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``metrics.csv``, a row for each epoch; no row is ever half written."""
    import pandas as pd

    write_atomic(folder / METRICS, pd.DataFrame(list(rows)).to_csv(index=False))
