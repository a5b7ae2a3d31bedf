"""Which kind of table a file is: our own landscape's, or a benchmark's."""

from typing import Any

from experiments.landscape.known_ruler import KnownRuler
from experiments.landscape.known_table import read_known_table
from experiments.landscape.ruler import Ruler
from experiments.landscape.standing import Standing
from experiments.landscape.table import read_landscape


def read_ruler(path: str) -> Ruler[Any, Any]:
    """The ruler of a table.

    Args:
        path: a benchmark's table, or what ``read_landscape`` takes.

    Raises:
        InputError: as of ``read_landscape`` and ``read_known_table``.
    """
    known = read_known_table(path)
    return Standing(read_landscape(path)) if known is None else KnownRuler(known)
