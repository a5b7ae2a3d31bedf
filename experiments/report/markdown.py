"""A table of numbers as text."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def markdown(table: "pd.DataFrame") -> str:
    """The table as GitHub Markdown, three significant digits, lists by their items, a dash where there is nothing."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def with_deviations(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table with each pair of columns ``<column>`` and ``<column>_sd`` as one column of text, ``48.7 ± 1.2``."""
    merged = table.copy()
    for column in [name for name in table if f"{name}_sd" in table]:
        pairs = [(_cell(mean), _cell(sd)) for mean, sd in zip(table[column], table[f"{column}_sd"], strict=True)]
        merged[column] = [mean if sd in ("-", "0") else f"{mean} ± {sd}" for mean, sd in pairs]
        merged = merged.drop(columns=f"{column}_sd")
    return merged
