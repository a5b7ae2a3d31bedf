"""A result's table as a file: Markdown, CSV or JSON, as the file's name ends."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs.files import check_new_file, plain, write_atomic
from nas_space.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".md", ".csv", ".json")


def check_new_table(out: str | None) -> Path | None:
    """Check the file of a table, its suffix and as ``check_new_file`` does.

    Raises:
        InputError: it ends in no suffix of a table, or cannot be a new file.
    """
    if out is not None and Path(out).suffix not in SUFFIXES:
        raise InputError(f"--out {out}: a table is written as {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return check_new_file(out)


def write_table(path: Path, text: str, table: "pd.DataFrame", result: Mapping[str, Any]) -> None:
    """Write one of three forms, and say so.

    Args:
        path: of ``check_new_table``.
        text: the table as Markdown.
        table: the same for CSV.
        result: the same, and more, for JSON.
    """
    if path.suffix == ".md":
        content = text
    elif path.suffix == ".csv":
        content = table.to_csv(index=False)
    else:
        content = json.dumps(plain(result), indent=1) + "\n"
    write_atomic(path, content, new=True)
    print(f"written  {path}")
