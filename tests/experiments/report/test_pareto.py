"""The Pareto front."""

import random

import pytest

from experiments.report.pareto import front

pytestmark = pytest.mark.usefixtures("real_figures")


def test_front_is_what_nobody_dominates() -> None:
    rows = [{"miou": m, "macs_total": c} for m, c in ((0.5, 10), (0.6, 20), (0.55, 20), (0.6, 30), (0.4, 5), (0.4, 6))]
    assert front(rows) == [True, True, False, False, True, False]


def test_front_against_a_definition() -> None:
    generator = random.Random(0)
    rows = [{"miou": generator.randint(0, 9), "macs_total": generator.randint(0, 9)} for _ in range(60)]
    for row, best in zip(rows, front(rows), strict=True):
        better = [o for o in rows if o["miou"] >= row["miou"] and o["macs_total"] <= row["macs_total"] and o != row]
        assert best == (not better)


def test_equal_networks_are_both_on_it() -> None:
    assert front([{"miou": 1.0, "macs_total": 1.0}] * 2) == [True, True]
