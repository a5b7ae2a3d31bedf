"""Which networks of a set nobody should prefer another of the set to."""

from collections.abc import Mapping, Sequence
from typing import Any


def front(rows: Sequence[Mapping[str, Any]], better: str = "miou", cost: str = "macs_total") -> list[bool]:
    """For each row, whether no other has at least its score at no more cost, and more of one of the two.

    Args:
        rows: one a network.
        better: the key of the score, the higher the better.
        cost: the key of the cost, the lower the better.
    """
    points = [(row[better], row[cost]) for row in rows]
    return [not any(s >= score and c <= price and (s, c) != (score, price) for s, c in points) for score, price in points]
