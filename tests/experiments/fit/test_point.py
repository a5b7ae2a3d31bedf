"""How many searches a point of a fit really begins, from the time that they take."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.fit.facts import Facts, Line, Speeds, Wishes
from experiments.fit.ledger import Ledger
from experiments.fit.point import Point
from experiments.fit.work import COMFORT, Epochs, Plan, work_of

FACTS = Facts(16, 4, (40, 56), 4, 0.001, 500)
QUICK = Line(0.001, 0.0)
HEADS = {"encoder": QUICK, "aggregation": QUICK}
SPEEDS = Speeds({"compact": QUICK}, {"compact": HEADS}, {"compact": HEADS}, {"compact": HEADS})
PLAN = Plan((32, 64), 4, "compact", ("encoder",), 3, Epochs(125, 1, 1), {})
WISHES = Wishes(targets=[1.0], hand_made=2, batch=4)
MINUTES = 1000 / 60


class Searches(Point):
    """A point whose searches do nothing for some seconds; ``now`` is the clock."""

    def __init__(self, folder: Path, took: float, wishes: Wishes = WISHES) -> None:
        self.now, self.took, self.begun, self.epochs = 0.0, took, [], []
        ledger = Ledger(60 * MINUTES, 0.0, clock=lambda: self.now)
        shared: Any = SimpleNamespace(
            plan=PLAN, wishes=wishes, facts=FACTS, speeds=SPEEDS, ledger=ledger, folder=folder, options=None
        )
        super().__init__(shared, 1.0, 1.0, 0.0)

    def _search(self, place: int, found: Any) -> Any:
        def search(folder: Path) -> dict[str, Any]:
            self.epochs.append(self._search_epochs(found))
            self.now += self.took
            self.begun.append(place)
            return {"name": folder.name, "folder": folder.name, "epochs": 125, "seconds": self.took}

        return search


@pytest.mark.parametrize(
    ("took", "count"), [(0.1, 3), (250.0, 3), (400.0, 2), (460.0, 2), (490.0, 1), (900.0, 1), (2000.0, 1)]
)
def test_a_further_search_begins_where_the_rest_stays_comfortable(took: float, count: int, tmp_path: Path) -> None:
    point = Searches(tmp_path, took)
    assert [one["name"] for one in point._searches()] == [f"search-{place}" for place in range(count)]
    if count > 1:
        rest = work_of(FACTS, SPEEDS, WISHES, replace(PLAN, searches=count), ("race", "train"))
        assert rest.total(rest.at_least(COMFORT)) <= 1000 - count * took
    again = Searches(tmp_path, took)  # after a kill: the same ones, and none is done again
    assert len(again._searches()) == count and again.begun == []


def test_searches_that_were_asked_for_all_begin(tmp_path: Path) -> None:
    point = Searches(tmp_path, 900.0, replace(WISHES, searches=3))
    assert len(point._searches()) == 3 and point.begun == [0, 1, 2]


def test_the_time_of_one_search_is_that_of_the_next(tmp_path: Path) -> None:
    point = Searches(tmp_path, 250.0)
    found = [point._step("search-0", point._search(0, []))]
    assert point._work(2, found).seconds["search"] == pytest.approx(2 * 250 / 125)
    assert point._work(3, []).seconds["search"] == work_of(FACTS, SPEEDS, WISHES, PLAN).seconds["search"]


@pytest.mark.parametrize("took", [250.0, 400.0])
def test_a_search_that_begins_gets_the_epochs_that_it_needs(took: float, tmp_path: Path) -> None:
    """The second one is not cut for a third that the time does not allow."""
    point = Searches(tmp_path, took)
    needed = work_of(FACTS, SPEEDS, WISHES, PLAN).least["search"]
    point._searches()
    assert len(point.epochs) == point._count and min(point.epochs) >= needed


def test_the_seconds_of_a_search_are_those_of_all_its_processes(tmp_path: Path) -> None:
    """The ledger knows the last process of a killed search alone; ``search.json`` has its epochs' times."""
    found = [{"name": "search-0", "folder": "search-0", "epochs": 125, "seconds": 900.0}]
    point = Searches(tmp_path, 1.0)
    point._step("search-0", point._search(0, []))
    assert point._work(1, found).seconds["search"] == pytest.approx(900 / 125)


def test_a_search_that_has_begun_goes_on_and_none_begins_after_the_race(tmp_path: Path) -> None:
    """Also where the time would now decide in another way, as with another --web."""
    slow = Searches(tmp_path / "begun", 900.0)
    slow._step("search-0", slow._search(0, []))
    (slow.folder / "search-1").mkdir()
    assert len(Searches(tmp_path / "begun", 900.0)._searches()) == 2
    quick = Searches(tmp_path / "raced", 0.1)
    quick._step("search-0", quick._search(0, []))
    (quick.folder / "race").mkdir()
    again = Searches(tmp_path / "raced", 0.1)
    assert len(again._searches()) == again._count == 1 and again.begun == []
