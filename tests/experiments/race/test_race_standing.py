"""Who stays in a round: by hand-made scores."""

import math

import pytest

from experiments.race.options import RaceOptions, kept, sizes
from experiments.race.standing import difference, is_clear, rank
from experiments.race.text import round_text


def test_the_order_and_its_errors() -> None:
    scores = {"a": [0.4, 0.5, 0.6], "b": [0.6, 0.7, 0.8], "c": [0.5, 0.7, 0.9]}
    first, second, third = rank(scores, {"a": 1.0, "b": 2.0, "c": 1.0}, 2)
    assert (first.name, first.stays, first.behind_error) == ("c", True, None)  # equal to b, and cheaper
    assert first.miou == pytest.approx(0.7) and first.error == pytest.approx(0.2 / math.sqrt(3))
    assert (second.name, second.stays) == ("b", True)
    assert second.behind == pytest.approx(0.0) and second.behind_error == pytest.approx(0.1 / math.sqrt(3))
    assert (third.name, third.stays) == ("a", False) and third.behind == pytest.approx(0.2)


def test_one_seed_has_no_error() -> None:
    first, second = rank({"a": [0.4], "b": [0.5]}, {"a": 1.0, "b": 1.0}, 1)
    assert (first.name, first.error, second.behind_error) == ("b", None, None)
    assert difference([0.5], [0.4])[1] is None and not is_clear(0.1, None)
    assert is_clear(0.1, 0.04) and not is_clear(0.1, 0.06)


@pytest.mark.parametrize(
    ("count", "keep", "stay"), [(2, 0.9, 1), (2, 0.1, 1), (5, 0.5, 3), (10, 0.3, 3), (10, 0.31, 4), (4, 0.99, 3)]
)
def test_one_leaves_and_one_stays(count: int, keep: float, stay: int) -> None:
    assert kept(count, keep) == stay


@pytest.mark.parametrize(
    ("count", "changes", "rounds"),
    [(6, {}, [6, 3, 2]), (2, {}, [2]), (9, {"rounds": 2}, [9, 5]), (2, {"rounds": 5}, [2]), (3, {"keep": 0.9}, [3, 2])],
)
def test_rounds_end_with_one_network(count: int, changes: dict[str, float], rounds: list[int]) -> None:
    assert sizes(count, RaceOptions(**changes)) == rounds  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lead", "error", "told"),
    [
        (0.02, 0.004, None),
        (0.02, 0.015, "a is ahead of b by 2.00 ± 1.50 points: less than two standard errors"),
        (0.02, None, "a is ahead of b by 2.00 points: with one seed nobody knows its error"),
        (0.0, 0.01, "a and b are equal: the cheaper one stays"),
    ],
)
def test_a_border_that_is_not_clear_is_told(lead: float, error: float | None, told: str | None) -> None:
    networks = [
        {"name": "a", "miou": 0.5, "error": error, "behind": 0.0, "behind_error": None, "stays": True},
        {"name": "b", "miou": 0.5 - lead, "error": error, "behind": lead, "behind_error": error, "stays": False},
    ]
    part = {"round": 1, "epochs": 3, "networks": networks}
    part["border"] = {"stays": "a", "leaves": "b", "lead": lead, "error": error}
    entrants = [{"name": name, "macs": 2e6, "params": 5e4} for name in "ab"]
    lines = round_text(part, {"entrants": entrants, "planned_rounds": 2, "seeds": [0, 1]}).splitlines()
    assert lines[0] == "round 1 of 2: 2 networks, 3 epochs, seeds 0,1" and lines[2].split()[-3:] == [
        "2",
        "0.05",
        "stays",
    ]
    assert [line.strip() for line in lines[4:]] == ([] if told is None else [told])
