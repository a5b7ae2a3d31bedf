"""From which values a key of a search space is drawn: NNI's types and their arguments."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from nas_space.errors import InputError

ARGUMENTS = {
    "choice": "one value or more",
    "randint": "[lower, upper], whole numbers, the upper one excluded",
    "uniform": "[low, high]",
    "quniform": "[low, high, q]",
    "loguniform": "[low, high]",
    "qloguniform": "[low, high, q]",
    "normal": "[mu, sigma]",
    "qnormal": "[mu, sigma, q]",
    "lognormal": "[mu, sigma]",
    "qlognormal": "[mu, sigma, q]",
}
"""NNI's types, and what ``_value`` holds."""


def nearest(word: str, known: list[str]) -> str:
    """The hint at the nearest known word; all of them where none is near."""
    folded = {other.casefold(): other for other in known}
    found = get_close_matches(word.casefold(), list(folded), n=1)
    return f"did you mean {folded[found[0]]}?" if found else f"choose from {', '.join(known)}"


def check_range(place: str, entry: Mapping[str, Any]) -> None:
    """Make sure that NNI can draw from an entry of a search space.

    Args:
        place: the file and the key, for messages.
        entry: with ``_type`` and ``_value``.

    Raises:
        InputError: the type is not known, or its arguments are too few, of another kind, or in the wrong order.
    """
    kind, values = entry.get("_type"), entry.get("_value")
    if not isinstance(kind, str) or kind not in ARGUMENTS:
        raise InputError(f"{place}: _type: unknown {kind!r}; {nearest(str(kind), list(ARGUMENTS))}")
    problem = _problem(kind, values)
    if problem is not None:
        raise InputError(f"{place}: _value: {problem}; {kind} takes {ARGUMENTS[kind]}, got {values!r}"[:400])


def _problem(kind: str, values: Any) -> str | None:
    if not isinstance(values, list) or not values:
        return "must be a list that is not empty"
    if kind == "choice":
        return None
    count = 3 if kind.startswith("q") else 2
    if len(values) != count:
        return f"must hold {count} numbers"
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
            hint = " (YAML reads 1e-3 as text: write 1.0e-3)" if isinstance(value, str) else ""
            return f"{value!r} is no number{hint}"
    if kind == "randint" and not all(isinstance(value, int) for value in values):
        return "must hold whole numbers"
    low, high = values[:2]
    if count == 3 and values[2] <= 0:
        return "q must be above 0"
    if "normal" in kind:
        return "sigma must be above 0" if high <= 0 else None
    if low >= high:
        return f"{low} is not below {high}"
    return "the lower bound must be above 0" if "log" in kind and low <= 0 else None
