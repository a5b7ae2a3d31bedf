"""A result's table: its numbers as text, and the whole as a file, Markdown, CSV or JSON, as the file's name ends."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs.files import new_file, plain, write_atomic
from experiments.runs.names import visible
from nas_space.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".md", ".csv", ".json")
MISSING = "-"
MOST_DIGITS = 9
"""Numbers that differ only behind this significant digit differ by rounding errors."""


def numbers(values: Sequence[Any], decimals: int | None = None) -> list[str]:
    """The numbers of a column as text that keeps what tells them apart.

    Every number has enough digits to differ from 0, by two significant ones, and from each other number of the column.

    Args:
        values: numbers; None and NaN are missing.
        decimals: digits behind the point at least; absent, three significant ones, and whole numbers from 1000 on.

    >>> numbers([0.004, 12.34, 0], 1)
    ['0.004', '12.3', '0.0']
    >>> numbers([48.712, 48.714, None])
    ['48.712', '48.714', '-']
    """
    texts = [_number(value, decimals, 0) for value in values]
    exact = [_key(value) for value in values]
    for text in {text for text in texts if texts.count(text) > 1}:
        members = [i for i, other in enumerate(texts) if other == text]
        different = len({exact[i] for i in members})
        for more in range(1, MOST_DIGITS + 1):
            if len({texts[i] for i in members}) == different:
                break
            for i in members:
                texts[i] = _number(values[i], decimals, more)
    return texts


def number(value: Any, decimals: int | None = None) -> str:
    """One number as text, as ``numbers`` writes it."""
    return _number(value, decimals, 0)


def counted(many: int, thing: str, things: str | None = None) -> str:
    """Such as ``1 epoch`` or ``20 epochs``; ``things`` is the plural where an s does not make it."""
    return f"{many:,} {thing if many == 1 else things or f'{thing}s'}"


def duration(seconds: float) -> str:
    """A time for people, in the unit that leaves at least two digits.

    >>> duration(4.25), duration(90), duration(3600), duration(20000)
    ('4.2 seconds', '90 seconds', '60 minutes', '5.6 hours')
    """
    for unit, size in (("seconds", 1.0), ("minutes", 60.0)):
        if seconds < 120 * size:
            return f"{seconds / size:.{0 if seconds >= 10 * size else 1}f} {unit}"
    return f"{seconds / 3600:.1f} hours"


def _is_missing(value: Any) -> bool:
    return value is None or value != value


def _key(value: Any) -> str:
    return MISSING if _is_missing(value) else str(value) if isinstance(value, int) else f"{value:.{MOST_DIGITS - 1}e}"


def _number(value: Any, decimals: int | None, more: int) -> str:
    if _is_missing(value):
        return MISSING
    if isinstance(value, int):
        return f"{value:,d}"
    if math.isinf(value):
        return str(float(value))
    exponent = math.floor(math.log10(abs(value))) if value else 0
    significant = 2 if decimals is not None else 3
    if value and (exponent < -4 or exponent > 15):
        digits, _, power = f"{value:.{significant - 1 + more}e}".partition("e")
        return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + f"e{power}"
    least = decimals or 0
    text = f"{value:,.{max(least, significant - 1 - exponent, 0) + more}f}"
    whole, point, behind = text.partition(".")
    behind = behind[:least] + behind[least:].rstrip("0")
    return f"{whole}{point}{behind}".rstrip(".") if point else text


def readable(table: "pd.DataFrame", decimals: int | None = None, missing: str = MISSING) -> "pd.DataFrame":
    """The table with every cell as text for people: numbers by ``numbers``, column by column, and names in one line.

    Args:
        table: numbers, truth values, lists, names; None and NaN are missing.
        decimals: as of ``numbers``.
        missing: what stands where there is nothing.
    """
    import pandas as pd

    columns = {str(name): _cells(table.iloc[:, i].tolist(), decimals, missing) for i, name in enumerate(table.columns)}
    return pd.DataFrame(columns, index=table.index, dtype=object)


def _cells(values: Sequence[Any], decimals: int | None, missing: str) -> list[str]:
    are_numbers = [isinstance(value, Real) and not isinstance(value, bool) for value in values]
    # A column of whole numbers in which one is missing holds floats.
    texts = iter(numbers([value for value, is_number in zip(values, are_numbers, strict=True) if is_number], decimals))
    cells = [next(texts) if is_number else _cell(value) for value, is_number in zip(values, are_numbers, strict=True)]
    return [missing if value is None or value != value else cell for cell, value in zip(cells, values, strict=True)]


def _cell(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def in_words(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table with ``yes`` and ``no`` in place of truth values, as everywhere."""
    words = {True: "yes", False: "no"}
    return table.map(lambda value: words[value] if isinstance(value, bool) else value)


@contextmanager
def new_table(out: str | None) -> Iterator[Path | None]:
    """The new file of a table: its suffix is checked, and it is held as by ``new_file``.

    Raises:
        InputError: it ends in no suffix of a table, cannot be a new file, or another process is making it.
    """
    if out is not None and Path(out).suffix not in SUFFIXES:
        raise InputError(f"--out {out}: a table is written as {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    with new_file(out) as path:
        yield path


def write_table(path: Path, text: str, table: "pd.DataFrame", result: Mapping[str, Any]) -> None:
    """Write one of three forms, and say so.

    Args:
        path: of ``new_table``.
        text: the table as Markdown.
        table: the same for CSV.
        result: the same, and more, for JSON.
    """
    if path.suffix == ".md":
        content = text
    elif path.suffix == ".csv":
        content = in_words(table).to_csv(index=False)
    else:
        content = json.dumps(plain(result), indent=1) + "\n"
    write_atomic(path, content, new=True)
    print(f"written  {path}")
