"""A folder in which a command goes on: it is that command's, and was begun with the same options."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.options.groups import comparable
from experiments.runs.files import plain
from experiments.runs.folder import CONFIG, filled, is_leftover, read_config
from nas_space.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LONGEST = 60
"""Letters of a value that a message shows."""


def is_begun(folder: Path, kind: str, marks: Collection[str]) -> bool:
    """Whether a folder holds the beginning of such a run; a new or empty one does not. Nothing is written.

    Args:
        folder: of ``--out``.
        kind: what the command makes, for the message, such as ``race``.
        marks: keys by which its ``config.yml`` is known. One that is written by hand names no folder ``out``.

    Raises:
        InputError: it holds something else, or cannot be read.
    """
    try:
        names = [entry.name for entry in folder.iterdir() if not is_leftover(entry.name)] if folder.exists() else []
    except OSError as error:
        raise InputError(f"--out {folder}: {error.strerror}; choose another --out") from None
    if names and not (CONFIG in names and set(marks) <= read_config(folder).keys()):
        raise InputError(f"--out {folder}: holds files already, and no {kind}; choose another --out")
    return bool(names)


def check_begun(folder: Path, options: "DataclassInstance", free: Collection[str]) -> None:
    """Refuse options with which the run in a folder was not begun.

    Args:
        folder: of a run that has begun.
        options: of the command. One that the run does not know is younger than the run, and had its default.
        free: those that may differ.

    Raises:
        InputError: the first that differs.
    """
    before = comparable(filled(read_config(folder), plain(asdict(type(options)()))))
    now = comparable(plain(asdict(options)))
    changed = [key for key in now if key not in free and before.get(key) != now[key]]
    if changed:
        key, values = _first_difference(changed[0], before.get(changed[0]), now[changed[0]])
        shown = [_shown(value) for value in values]
        told = f" ({shown[0]}, now {shown[1]})" if shown[0] != shown[1] else ""
        raise InputError(f"--out {folder}: was begun with another {key!r}{told}; choose another --out")


def _first_difference(key: str, before: Any, now: Any) -> tuple[str, tuple[Any, Any]]:
    """The key inside of groups that differs first, and its two values."""
    while isinstance(before, dict) and isinstance(now, dict):
        inner = next(name for name in {**now, **before} if before.get(name) != now.get(name))
        key, before, now = f"{key}.{inner}", before.get(inner), now.get(inner)
    return key, (before, now)


def _shown(value: Any) -> str:
    text = "none" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
