"""Colours of lines that are told apart with any colour vision, and in a grey print by their dashes."""

from typing import Any

from matplotlib import colormaps
from matplotlib.colors import to_hex

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""The colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), but for the yellow, which is faint on white."""
DASHES = ("-", "--", "-.", ":")
ORDERED = "cividis"
"""Its lightness rises steadily, and it looks the same to people who do not tell red from green."""


def series(place: int) -> dict[str, Any]:
    """Colour and dashes of a line by its place among others; the first 28 are all different."""
    return {"color": SERIES[place % len(SERIES)], "linestyle": DASHES[place % len(DASHES)]}


def ordered(count: int) -> list[str]:
    """Colours of ``count`` candidates in an order, from dark to light; none is too light for a line on white."""
    return [to_hex(colormaps[ORDERED](0.85 * place / max(count - 1, 1))) for place in range(count)]
