"""Steps of a fit: done once, counted after a kill too."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from experiments.fit.contest import TOLERANCE, candidates, passed_over, race_order, slow_again
from experiments.fit.ledger import DONE, Ledger
from nas_space.errors import InputError


def test_a_step_is_done_once_and_its_time_counts_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now, calls = [0.0], []

    def work(folder: Path) -> dict[str, Any]:
        calls.append(folder.name)
        now[0] += 120.0
        return {"file": folder / "x", "pair": (1, 2)}

    first = Ledger(600.0, 60.0, lambda: now[0])
    assert first.step("search", tmp_path / "a" / "s", work) == {"file": str(tmp_path / "a/s/x"), "pair": [1, 2]}
    assert first.left == 420.0 and first.minutes == {"search": 2.0}
    assert capsys.readouterr().out == "search: begins, with 9.0 minutes left of all\n"
    again = Ledger(600.0, 60.0, lambda: now[0])
    assert again.step("search", tmp_path / "a" / "s", work) == first.step("search", tmp_path / "a" / "s", work)
    assert calls == ["s"] and again.left == 420.0 and again.minutes == {"search": 2.0}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", ['{"seconds": "3", "result": {}}', '{"seconds": 3, "result": null}'])
def test_a_damaged_mark_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / DONE).write_text(content)
    with pytest.raises(InputError, match="is damaged; remove it, and the step is done again"):
        Ledger(10.0, 0.0).step("race", tmp_path, lambda folder: {})


def test_a_step_that_is_killed_leaves_no_mark(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        (folder / "half").touch()
        raise KeyboardInterrupt

    ledger = Ledger(10.0, 0.0)
    with pytest.raises(KeyboardInterrupt):
        ledger.step("race", tmp_path / "race", fail)
    assert not (tmp_path / "race" / DONE).exists()
    assert ledger.step("race", tmp_path / "race", lambda folder: {"saw": (folder / "half").exists()}) == {"saw": True}
    assert json.loads((tmp_path / "race" / DONE).read_text())["result"] == {"saw": True}


def standing(name: str, miou: float) -> dict[str, Any]:
    return {"name": name, "miou": miou}


RACE = {
    "entrants": [
        {"name": name, "milliseconds": ms} for name, ms in (("a", 10.0), ("b", 10.3), ("c", 9.0), ("d", 12.0))
    ],
    "rounds": [
        {"networks": [standing("b", 0.5), standing("d", 0.4), standing("a", 0.3), standing("c", 0.2)]},
        {"networks": [standing("d", 0.6), standing("b", 0.55)]},
    ],
}


def test_the_next_network_of_a_race_is_the_next_in_its_last_round() -> None:
    order = race_order(RACE)
    assert [one["name"] for one in order] == ["d", "b", "a", "c"]
    assert order[0] == {"name": "d", "ms": 12.0, "mious": [0.4, 0.6]} and order[2]["mious"] == [0.3]


def test_networks_that_hold_are_trained_first() -> None:
    assert [one["name"] for one in candidates(race_order(RACE), 10.0)] == ["a", "c", "b", "d"]
    assert [one["name"] for one in candidates(race_order(RACE), 10.3 / TOLERANCE)] == ["b", "a", "c", "d"]
    assert [one["name"] for one in candidates(race_order(RACE), 100.0)] == ["d", "b", "a", "c"]
    unknown = [{"name": "x", "ms": None}, {"name": "y", "ms": 50.0}]
    assert [one["name"] for one in candidates(unknown, 10.0)] == ["x", "y"]


def test_what_seemed_too_slow_is_measured_again_after_the_race() -> None:
    """Its winner must not lose its place to a machine that was slow for a moment."""
    asked: list[list[str]] = []

    def measure(names: Sequence[str]) -> list[float]:
        asked.append(list(names))
        return [9.5, 10.9]

    order = race_order(RACE)
    again = slow_again(order, 10.2, measure)
    assert asked == [["d", "b"]]
    assert [(one["name"], one["ms"]) for one in again] == [("d", 9.5), ("b", 10.3), ("a", 10.0), ("c", 9.0)]
    assert candidates(again, 10.0)[0] == again[0] and passed_over(again, 10.0) is None
    assert order == race_order(RACE)
    assert slow_again(order, 12.0, measure) == order and len(asked) == 1


def test_a_winner_that_is_passed_over_is_named() -> None:
    assert passed_over(race_order(RACE), 10.0) == "d wins the race but takes 12 ms of 10; a is trained"
