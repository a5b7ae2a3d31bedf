"""The plan of a fit: sizes, spaces, the sharing of the time, and what is refused. Nothing is trained."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from experiments.fit.facts import Facts, Line, Speeds, Wishes, line
from experiments.fit.plan import batch_size, candidate_sizes, describe, fast_spaces, make_plan
from experiments.fit.work import COMFORT, LEAST_TRAINING, MOST, SCALING, WEIGHTS, Epochs, Plan, Work, divide, work_of
from nas_space.errors import InputError

FACTS = Facts(train=80, val=10, side=(480, 640), classes=2, read_s=0.01, search_steps=500)
PIXEL = 1e-5  # seconds, or milliseconds
SPEEDS = Speeds(
    search={"compact": Line(0.02, PIXEL / 2), "pyramid": Line(0.04, 2 * PIXEL)},
    train={
        "compact": {"encoder": Line(0.01, PIXEL / 4), "aggregation": Line(0.02, PIXEL / 2)},
        "pyramid": {"encoder": Line(0.02, PIXEL / 2), "aggregation": Line(0.02, PIXEL)},
    },
    fastest={"compact": {"encoder": Line(0, 4e-5), "aggregation": Line(0, 6e-5)}}
    | {"pyramid": {"encoder": Line(0, 1e-5), "aggregation": Line(0, 2e-5)}},
    slowest={"compact": {"encoder": Line(0, 2e-4), "aggregation": Line(0, 3e-4)}}
    | {"pyramid": {"encoder": Line(0, 4e-4), "aggregation": Line(0, 6e-4)}},
)
WISHES = Wishes(targets=[5.0], hand_made=2, batch=8)
SIZES = candidate_sizes(FACTS.side)


def table(preset: str, size: tuple[int, int], head: str) -> float:
    return {"compact": 100.0, "pyramid": 300.0}[preset]


def plan_for(minutes: float, facts: Facts = FACTS, **changes: Any) -> Plan:
    return make_plan(60 * minutes, SIZES, facts, SPEEDS, replace(WISHES, **changes), table)


def seconds_of(plan: Plan, facts: Facts = FACTS, **changes: Any) -> float:
    """What the plan takes, added up here from what it says."""
    return 60 * sum(plan.minutes.values())


def test_a_line_goes_through_what_was_measured() -> None:
    both = {(100, 100): 0.2, (200, 100): 0.3}
    found = line(both)
    assert all(found.at(size) == pytest.approx(value) for size, value in both.items())
    assert line({(10, 10): 5.0}) == Line(0.0, 0.05)
    noisy = line({(100, 100): 0.3, (200, 200): 0.2})  # a larger image is never quicker
    assert noisy.per_pixel == 0 and noisy.at((64, 64)) == 0.3
    steep = line({(100, 100): 0.1, (200, 200): 4.0})  # would be below zero for small images
    assert steep.at((32, 32)) > 0 and steep.at((200, 200)) == pytest.approx(4.0)


@pytest.mark.parametrize("side", [(480, 640), (640, 640), (720, 1280), (1280, 720), (40, 56), (300, 2000), (97, 97)])
def test_sizes_have_the_photos_shape_and_are_not_larger(side: tuple[int, int]) -> None:
    sizes = candidate_sizes(side)
    assert sizes and len(set(sizes)) == len(sizes)
    assert [h * w for h, w in sizes] == sorted(h * w for h, w in sizes)
    for height, width in sizes:
        assert height % 32 == width % 32 == 0 and min(height, width) >= 32
        assert height <= side[0] + 16 and width <= side[1] + 16
    height, width = sizes[-1]
    assert height / width == pytest.approx(side[0] / side[1], rel=0.45 if min(side) < 64 else 0.1)


def test_small_photos_begin_at_their_own_size() -> None:
    assert candidate_sizes((40, 56)) == [(32, 32)] or candidate_sizes((40, 56)) == [(32, 64)]
    assert candidate_sizes((64, 64))[0] == (64, 64)
    assert candidate_sizes((480, 640))[0] == (96, 128)


def test_batches_leave_four_steps() -> None:
    assert [batch_size(8, n) for n in (5, 8, 16, 31, 32, 1000)] == [2, 2, 4, 7, 8, 8]


def test_the_space_that_has_networks_at_the_latency_comes_first() -> None:
    size = (100, 100)  # compact 0.4 to 2 ms, pyramid 0.1 to 4 ms with the encoder head
    chosen = {ms: fast_spaces(size, [ms], "encoder", SPEEDS, 1.0) for ms in (0.05, 0.2, 0.4, 1.0, 2.0, 3.0, 50.0)}
    assert chosen == {
        0.05: [],
        0.2: ["pyramid"],
        0.4: ["compact", "pyramid"],
        1.0: ["compact", "pyramid"],
        2.0: ["compact", "pyramid"],
        3.0: ["pyramid", "compact"],
        50.0: ["pyramid", "compact"],
    }
    assert fast_spaces(size, [1.0], "encoder", SPEEDS, 3.0) == ["pyramid"]  # compact has too little room
    assert fast_spaces(size, [1.0, 0.2], "encoder", SPEEDS, 1.0) == ["pyramid"]  # for all points
    assert fast_spaces(size, [0.5], "aggregation", SPEEDS, 1.0) == ["pyramid"]  # the head counts


def test_a_space_that_is_quick_to_search_is_taken_where_minutes_are_few() -> None:
    """At 500 ms pyramid has the slower networks; its searches take four times as long."""
    few, many = plan_for(8, targets=[500.0]), plan_for(6000, targets=[500.0])
    assert few.space == "compact" and seconds_of(few) <= 8 * 60
    assert many.space == "pyramid" and many.size == SIZES[-1]


def test_more_minutes_give_no_less() -> None:
    before = None
    for minutes in (12, 15, 20, 30, 45, 60, 90, 120, 240, 600):
        plan = plan_for(minutes)
        assert seconds_of(plan) <= 60 * minutes
        if before is not None:
            assert plan.size[0] * plan.size[1] >= before.size[0] * before.size[1]
        before = plan
    assert before is not None and before.size == (
        320,
        416,
    )  # the fastest network takes two thirds of the latency at most
    assert before.searches == 3 and before.stages == ("encoder", "aggregation")


@pytest.mark.parametrize("minutes", [12, 20, 40, 90])
@pytest.mark.parametrize("points", [1, 3])
def test_the_plan_fills_its_time(minutes: int, points: int) -> None:
    targets = [5 / (1 + i / 2) for i in range(points)]
    minutes *= points
    plan = plan_for(minutes, targets=targets)
    assert 0.9 * 60 * minutes <= seconds_of(plan) <= 60 * minutes


def test_what_the_parts_take_is_what_their_steps_take() -> None:
    plan = replace(plan_for(30), size=(96, 128), space="compact", stages=("encoder", "aggregation"), searches=2)
    work = work_of(FACTS, SPEEDS, WISHES, plan)
    pixels = 96 * 128
    step, encoder, full = 0.02 + 5e-6 * pixels, 0.01 + 2.5e-6 * pixels, 0.02 + 5e-6 * pixels
    assert work.seconds["train"] == pytest.approx(10 * (encoder + full))  # 80 images in batches of 8
    assert work.seconds["search"] == pytest.approx(2 * (10 * 0.55 * step + 10 / 3 * step / 16))
    assert work.seconds["race"] == pytest.approx((4 + 2 * 2) * 8 * encoder)  # 4 networks, then 2 for twice as long
    assert work.least == {"search": 50, "race": 13, "train": 30}
    alone = work_of(FACTS, SPEEDS, WISHES, plan, ["train"])
    assert alone.seconds["search"] == alone.seconds["race"] == 0 and alone.fixed < work.fixed
    one = work_of(FACTS, SPEEDS, WISHES, plan, searches=1)
    assert one.seconds["search"] == work.seconds["search"] / 2 and one.seconds["race"] == work.seconds["race"]


WORK = Work(
    seconds={"search": 2.0, "race": 3.0, "train": 1.0},
    least={"search": 50, "race": 12, "train": 30},
    given={},
    fixed=100.0,
)
LEAST = 100.0 + 2 * 50 + 3 * 12 + 30
COMFORTABLE = 100.0 + 2 * 50 + 3 * 18 + 90


def test_the_least_is_given_first_and_the_rest_is_shared() -> None:
    assert divide(LEAST, WORK) == Epochs(50, 12, 30)
    assert divide(COMFORTABLE, WORK) == Epochs(50, 18, 90)
    epochs = divide(COMFORTABLE + 200, WORK)
    assert epochs == Epochs(50 + 70 // 2, 18 + 40 // 3, 90 + 200 - 2 * 35 - 3 * 13)
    assert WORK.total(epochs) == pytest.approx(COMFORTABLE + 200)


def test_nothing_gets_more_than_helps() -> None:
    epochs = divide(1e7, WORK)
    assert epochs == Epochs(*(int(MOST[part] * WORK.least[part]) for part in WEIGHTS))


def test_the_time_that_is_left_decides_again() -> None:
    """A part that took longer than its estimate shortens the later ones; a quick one lengthens them."""
    late = replace(WORK, seconds={**WORK.seconds, "search": 0.0}, fixed=50.0)
    planned, slow, quick = (divide(seconds, late) for seconds in (400.0, 300.0, 600.0))
    assert slow.race < planned.race < quick.race and slow.train < planned.train < quick.train
    for seconds, epochs in ((400.0, planned), (300.0, slow), (600.0, quick)):
        assert 0.95 * seconds <= late.total(epochs) <= seconds
    last = replace(late, seconds={**late.seconds, "race": 0.0})
    assert divide(250.0, last).train == 200  # all that is left


@pytest.mark.parametrize("search", [0.6, 1.0, 1.6])
@pytest.mark.parametrize("race", [0.6, 1.5])
def test_estimates_that_are_wrong_cost_epochs_and_not_minutes(search: float, race: float) -> None:
    """Searches and race take so many times their estimate; a final training is measured just before it."""
    minutes, factors = 60, {"search": search, "race": race, "train": 1.0}
    plan = plan_for(minutes)
    left = 60 * (minutes - sum(plan.minutes[part] for part in ("latency table", SCALING, "delivery")))
    for place, part in enumerate(WEIGHTS):
        epochs = divide(left, work_of(FACTS, SPEEDS, WISHES, plan, list(WEIGHTS)[place:]))
        left -= factors[part] * work_of(FACTS, SPEEDS, WISHES, plan, [part]).total(epochs)
    assert 0 <= left <= 0.1 * 60 * minutes


@pytest.mark.parametrize("left", [240.0, 180.0, 120.0, 100.0, 0.0, -50.0])
def test_too_little_time_cuts_all_parts_to_half_at_most(left: float) -> None:
    epochs = divide(left, WORK)
    assert all(WORK.least[part] / 2 <= getattr(epochs, part) < WORK.least[part] for part in WEIGHTS)
    assert WORK.total(epochs) <= max(left, 100 + 2 * 25 + 3 * 6 + 15)


def test_given_epochs_are_not_touched() -> None:
    given = replace(WORK, given={"search": 7, "train": 3})
    assert divide(0.0, given).search == divide(1e6, given).search == 7
    assert divide(0.0, given).train == divide(1e6, given).train == 3
    plan = plan_for(60, search_epochs=5, race_epochs=2, train_epochs=4, searches=2)
    assert plan.epochs == Epochs(5, 2, 4) and plan.searches == 2


def test_what_the_user_says_holds() -> None:
    plan = make_plan(
        6000, [(128, 160)], FACTS, SPEEDS, replace(WISHES, size=(128, 160), stages=("aggregation",)), table
    )
    assert plan.size == (128, 160) and plan.stages == ("aggregation",) and plan.size_text == "128x160"


def test_too_few_minutes_are_refused_with_the_fewest() -> None:
    with pytest.raises(InputError, match=r"^minutes: 3 are too few here; give at least \d+(\.\d)?$") as error:
        plan_for(3, targets=[2.0])
    fewest = float(str(error.value).rpartition(" ")[2])
    plan = plan_for(fewest, targets=[2.0])
    assert plan.size == SIZES[0] and plan.stages == ("encoder",) and seconds_of(plan) <= 60 * fewest
    with pytest.raises(InputError):
        plan_for(fewest - 0.2, targets=[2.0])
    with pytest.raises(InputError, match="minutes: 3 are") as error:  # seconds that are gone count too
        make_plan(60, SIZES, FACTS, SPEEDS, replace(WISHES, targets=[2.0]), table, spent=120)
    assert float(str(error.value).rpartition(" ")[2]) == pytest.approx(fewest + 2, abs=0.11)


def test_what_was_given_and_costs_minutes_is_named() -> None:
    with pytest.raises(InputError, match=r"at least [\d.]+ or fewer --train_epochs$"):
        plan_for(3, train_epochs=500)
    wishes = {"targets": [5.0, 4.0], "size": (320, 416), "searches": 3}
    with pytest.raises(InputError, match=r"at least [\d.]+ or a smaller --size or fewer --points or fewer --searches$"):
        plan_for(3, **wishes)


def test_a_network_that_is_too_fast_is_refused() -> None:
    with pytest.raises(InputError, match=r"^latency_ms: 0.01 ms is below the fastest network at 96x128, .* 0.123 ms"):
        plan_for(1000, targets=[0.01])
    for changes, fix in (({}, "give more"), ({"size": (96, 128)}, "give more or a smaller --size")):
        with pytest.raises(InputError, match=f"; {fix}$"):
            plan_for(1000, targets=[0.01], **changes)
    with pytest.raises(InputError, match="; give more or fewer --points$"):
        plan_for(1000, targets=[5.0, 0.01])


def test_a_low_latency_allows_small_images_alone() -> None:
    sizes = [plan_for(600, targets=[ms]).size for ms in (0.4, 1.0, 3.0, 20.0)]
    assert [h * w for h, w in sizes] == sorted(h * w for h, w in sizes) and sizes[0] < sizes[-1]


def test_a_comfortable_size_has_comfortable_steps() -> None:
    plan = plan_for(40)
    steps = FACTS.train // plan.batch
    assert plan.epochs.train * steps >= COMFORT["train"] * LEAST_TRAINING
    assert plan.epochs.search * steps >= FACTS.search_steps


def test_the_plan_is_told_with_its_options() -> None:
    text = "\n".join(describe(plan_for(30), WISHES, FACTS))
    for option in ("--size", "--points", "--searches", "--search_epochs", "--race_epochs", "--train_epochs"):
        assert option in text
    assert "--space.preset" in text and "--stages" in text and "minutes: latency table" in text


def test_a_plan_survives_json() -> None:
    plan = plan_for(30)
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    assert Speeds.from_dict(json.loads(json.dumps(asdict(SPEEDS)))) == SPEEDS
