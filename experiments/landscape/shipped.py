"""The landscapes that come with the package: ``experiments/landscapes/*.csv``, each with its JSON file beside it."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "landscapes"


def shipped_names() -> list[str]:
    """Names of the tables that come with the package."""
    return sorted(table.stem for table in FOLDER.glob("*.csv") if table.with_suffix(".json").is_file())


def table_of_name(name: str) -> Path | None:
    """The table of the package that has this name; None where none has."""
    return FOLDER / f"{name}.csv" if name in shipped_names() else None
