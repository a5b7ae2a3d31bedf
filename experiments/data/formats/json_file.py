"""JSON files of labels: read whole, or told apart by their beginning."""

import json
import re
from pathlib import Path
from typing import Any

from experiments.data.faults import broken, lacking
from experiments.data.files import read_bytes

HEAD = 2**14
"""Bytes at a file's beginning in which its keys are looked for."""
LARGEST = 2**20
"""Pixels of a side of an image."""


def head_of(path: Path) -> bytes:
    """The first bytes of a file; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def has_list(head: bytes, *keys: str) -> bool:
    """Whether one of the keys is there, and a list begins behind it."""
    return any(re.search(rb'"' + key.encode() + rb'"\s*:\s*\[', head) for key in keys)


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        DataError: it cannot be read, is no JSON, or holds something else.
    """
    data = read_bytes(path)
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise broken(path, "JSON", "it is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise broken(path, "JSON", str(error)) from None
    if not isinstance(content, dict):
        raise broken(path, "JSON", "it holds no object")
    return content


def rows_of(path: Path, content: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects in a list.

    Raises:
        DataError: there is no such list.
    """
    rows = content.get(key)
    if not isinstance(rows, list):
        raise lacking(path, "the file", f"the list {key}")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise lacking(path, f"{key}[{number}]", "an object with keys")
    return rows


def value_of(path: Path, where: str, row: dict[str, Any], key: str, kind: type | tuple[type, ...]) -> Any:
    """A value of an entry.

    Raises:
        DataError: it is missing, or of another kind.
    """
    value = row.get(key)
    if not isinstance(value, kind) or isinstance(value, bool) or value == "":
        raise lacking(path, where, key)
    return value


def size_of(path: Path, where: str, row: dict[str, Any], keys: tuple[str, str]) -> tuple[int, int]:
    """Height and width of an image, as an entry gives them.

    Raises:
        DataError: they are missing, or no sides of an image.
    """
    height, width = (value_of(path, where, row, key, int) for key in keys)
    for key, side in zip(keys, (height, width), strict=True):
        if not 0 < side <= LARGEST:
            raise lacking(path, where, key)
    return height, width
