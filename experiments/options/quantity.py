"""Costs as people write them: ``7.8G`` multiply-accumulates, ``0.9M`` parameters."""

import math

SUFFIXES = {"K": 1e3, "M": 1e6, "G": 1e9}


class Quantity(float):
    """A positive number that may be written with a suffix: K (thousand), M (million) or G (billion).

    >>> Quantity("7.8G")
    7800000000.0

    Raises:
        ValueError: not such a number.
    """

    def __new__(cls, value: "str | float") -> "Quantity":
        number, factor = value, 1.0
        if isinstance(value, str):
            text = value.strip()
            factor = SUFFIXES.get(text[-1:].upper(), 1.0)
            number = text[:-1] if factor > 1 else text
        try:
            result = float(number) * factor
        except ValueError:
            raise ValueError(f"{value!r} is not a number such as 900K, 0.9M or 7.8G") from None
        if not (math.isfinite(result) and result > 0):
            raise ValueError(f"{value!r} is not a positive number")
        return super().__new__(cls, result)


def compact(value: float) -> str:
    """``value`` in the same notation, to four significant digits: ``11.06G``, ``961.8K``."""
    for suffix, factor in sorted(SUFFIXES.items(), key=lambda item: -item[1]):
        if abs(value) >= factor:
            return f"{value / factor:.4g}{suffix}"
    return f"{value:.4g}"
