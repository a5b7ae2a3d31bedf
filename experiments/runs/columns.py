"""Names and units of what tables for people show: one quantity has one name, and its unit stands in it.

Files for programs (JSON, CSV) hold the keys as they are, in plain units: ``miou`` from 0 to 1, whole parameters and
multiply-accumulates, milliseconds.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from experiments.runs.tables import numbers


class Column(NamedTuple):
    """A column.

    Attributes:
        name: what stands above it.
        unit: what one of the column is, in the plain unit of the files.
        decimals: digits behind the point at least; None for three significant ones.
    """

    name: str
    unit: float = 1.0
    decimals: int | None = None


PARAMETERS = Column("parameters M", 1e6)
MACS = Column("MACs M", 1e6)
MACS_G = Column("MACs G", 1e9)
CONV_MACS_G = Column("conv MACs G", 1e9)
"""Multiply-accumulates of convolutions and matrix products alone; ``MACS`` are those of everything."""
MIOU = Column("mIoU %", 0.01, 1)
IOU = Column("IoU %", 0.01, 1)
LATENCY = Column("latency ms", 1.0, 2)
FPS = Column("FPS")
MEMORY = Column("peak MiB")


def cells(column: Column, values: Sequence[Any]) -> list[str]:
    """The values of a column as text.

    Args:
        column: what they are.
        values: in the plain unit; None and NaN are missing.

    >>> cells(PARAMETERS, [119373, None])
    ['0.119', '-']
    """
    return numbers([None if value is None else value / column.unit for value in values], column.decimals)
