"""The Pareto front."""

import random
from pathlib import Path

import pytest

from experiments.report.pareto import distinct_networks, front, write_pareto

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


def test_a_network_that_stays_is_one_point_with_its_last_score(tmp_path: Path) -> None:
    for name, content in {"a": "first", "b": "second", "c": "first"}.items():
        (tmp_path / name).write_text(content)
    scores = {"a": (0.9, 20), "b": (0.5, 30), "c": (0.4, 20), "gone": (0.1, 40)}
    rows = [{"epoch": i, "file": name, "miou": m, "macs_total": c} for i, (name, (m, c)) in enumerate(scores.items())]
    write_pareto(tmp_path, rows)
    (tmp_path / "architecture.json").write_text("second")
    networks = distinct_networks(tmp_path)
    told = [(row["file"], row["front"], row["found"]) for row in networks]
    assert told == [("b", True, True), ("c", True, False), ("gone", False, False)]
