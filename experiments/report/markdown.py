"""A table of numbers as Markdown."""

import re
from typing import TYPE_CHECKING

from experiments.runs.names import visible
from experiments.runs.tables import MISSING, numbers, readable

if TYPE_CHECKING:
    import pandas as pd

MARKS = re.compile(r"[\\|<>*`$~\[\]]|(?<!\w)_|_(?!\w)")
"""What Markdown reads as more than a letter: cells, tags, emphasis, code, formulas, links."""


def markdown(table: "pd.DataFrame") -> str:
    """The table as GitHub Markdown: numbers as ``numbers`` writes them, names as they are, a dash for nothing."""
    cells = readable(table)
    lines = ["| " + " | ".join(escape(name) for name in cells.columns) + " |", "|" + "---|" * len(cells.columns)]
    lines += ["| " + " | ".join(map(escape, row)) + " |" for row in cells.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def escape(name: str) -> str:
    r"""A name as Markdown that shows it letter by letter.

    >>> escape("a|b_c <i>")
    'a\\|b_c \\<i\\>'
    """
    return MARKS.sub(lambda mark: f"\\{mark[0]}", visible(name))


def with_deviations(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table with each pair of columns ``<column>`` and ``<column>_sd`` as one column of text, ``48.7 ± 1.2``."""
    merged = table.copy()
    for column in [name for name in table if f"{name}_sd" in table]:
        deviations = table[f"{column}_sd"].tolist()
        pairs = zip(numbers(table[column].tolist()), numbers(deviations), strict=True)
        merged[column] = [mean if sd in (MISSING, "0") else f"{mean} ± {sd}" for mean, sd in pairs]
        merged = merged.drop(columns=f"{column}_sd")
    return merged
