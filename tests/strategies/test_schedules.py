"""Schedules of progress."""

import math
from fractions import Fraction

import pytest

from strategies.schedules import RAMP_START, Phases, decision_times, poly

EPOCHS = [1, 2, 3, 6, 7, 10, 11, 15, 30, 49, 60, 200, 201, 997]


def steps(epochs: int, batches: int) -> list[tuple[float, Fraction]]:
    """Progress before each step as the search computes it, and exactly; at most a thousand of them."""
    every = [(e, b) for e in range(epochs) for b in range(batches)][-1000:]
    return [((e + b / batches) / epochs, Fraction(e * batches + b, epochs * batches)) for e, b in every]


@pytest.mark.parametrize(
    ("progress", "warmup", "explore", "expected"),
    [
        (0.0, 0.0, 0.0, 1.0),
        (0.99, 0.0, 0.0, 1.0),
        (0.19, 0.2, 0.0, 0.0),
        (0.2, 0.2, 0.0, 1.0),
        (0.2, 0.2, 0.4, 0.0),
        (0.59, 0.2, 0.4, 0.0),
        (0.61, 0.2, 0.4, 1.0),
        (0.49, 0.0, 0.5, 0.0),
        (0.5, 0.0, 0.5, 1.0),
    ],
)
def test_rho_scale(progress: float, warmup: float, explore: float, expected: float) -> None:
    assert Phases(warmup, explore).rho_scale(progress) == expected


def test_rho_scale_never_falls() -> None:
    values = [Phases(0.1, 0.5).rho_scale(i / 100) for i in range(100)]
    assert values == sorted(values) and values[0] == 0 and values[-1] == 1


@pytest.mark.parametrize(
    ("progress", "exponent"), [(0.25, 1.0), (0.375, 0.75), (0.5, 0.5), (0.625, 0.25), (0.75, 0.0), (0.9, 0.0)]
)
def test_a_ramp_rises_geometrically(progress: float, exponent: float) -> None:
    """From a ten-thousandth at the end of the exploration, through a hundredth half way, to all of it."""
    assert Phases(0.125, 0.125, ramp=0.5).rho_scale(progress) == pytest.approx(1e-4**exponent, rel=1e-9)


@pytest.mark.parametrize("epochs", EPOCHS)
@pytest.mark.parametrize(
    ("warmup", "explore", "ramp"), [("0.15", "0.1", "0.6"), ("0", "0", "0.9"), ("0.3", "0.3", "0.3")]
)
def test_a_ramp_begins_and_ends_exactly(warmup: str, explore: str, ramp: str, epochs: int) -> None:
    phases = Phases(float(warmup), float(explore), ramp=float(ramp))
    start = Fraction(warmup) + Fraction(explore)
    found = [(exact, phases.rho_scale(progress)) for progress, exact in steps(epochs, 12)]
    assert all((scale == 0.0) == (exact < start) for exact, scale in found)
    assert all((scale == 1.0) == (exact >= start + Fraction(ramp)) for exact, scale in found)
    assert all(scale >= RAMP_START * (1 - 1e-6) for exact, scale in found if exact >= start)
    assert [scale for _, scale in found] == sorted(scale for _, scale in found)


def test_every_stage_has_its_ramp() -> None:
    phases = Phases(0.25, 0.25, stages=2, ramp=0.25)
    assert [phases.rho_scale(i / 16) for i in range(8)] == [phases.rho_scale(0.5 + i / 16) for i in range(8)]
    assert phases.rho_scale(5 / 16) == pytest.approx(1e-2)


def test_poly() -> None:
    assert poly(0.0) == 1.0
    assert poly(0.5) == pytest.approx(0.5**0.9)
    assert poly(1.0) == 0.0
    assert poly(0.25, 2) == pytest.approx(0.5625)


@pytest.mark.parametrize("batches", [1, 5, 12])
@pytest.mark.parametrize("epochs", EPOCHS)
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_boundaries_are_exact(stages: int, epochs: int, batches: int) -> None:
    """A step that begins where a stage or its warm-up ends belongs to what follows."""
    phases = Phases(0.4, stages=stages)
    for progress, exact in steps(epochs, batches):
        within = exact * stages % 1
        assert phases.within(progress) == pytest.approx(float(within), abs=1e-8)
        assert phases.trains_architecture(progress) == (within >= Fraction(2, 5)), exact
        assert phases.rho_scale(progress) == (1.0 if within >= Fraction(2, 5) else 0.0), exact


@pytest.mark.parametrize("epochs", EPOCHS)
@pytest.mark.parametrize(
    ("warmup", "explore"), [("0.1", "0.2"), ("0.2", "0.4"), ("0.15", "0.15"), ("0.7", "0.1"), ("0.3", "0.3")]
)
def test_exploration_ends_exactly(warmup: str, explore: str, epochs: int) -> None:
    phases = Phases(float(warmup), float(explore))
    for progress, exact in steps(epochs, 10):
        assert phases.trains_architecture(progress) == (exact >= Fraction(warmup)), exact
        assert phases.rho_scale(progress) == (1.0 if exact >= Fraction(warmup) + Fraction(explore) else 0.0), exact


@pytest.mark.parametrize("stages", [1, 3, 4])
def test_every_stage_is_like_the_first(stages: int) -> None:
    phases = Phases(0.25, 0.5, stages)
    for i in range(64):
        found = {
            (phases.trains_architecture(p), phases.rho_scale(p)) for p in ((s + i / 64) / stages for s in range(stages))
        }
        assert found == {(i >= 16, float(i >= 48))}


def test_two_fifths_of_each_third_train_the_weights_alone() -> None:
    """Thirty epochs in three stages: 4 of 10 each."""
    trains = [Phases(0.4, stages=3).trains_architecture(epoch / 30) for epoch in range(30)]
    assert trains == ([False] * 4 + [True] * 6) * 3


def test_without_a_warm_up_the_architecture_trains_at_once() -> None:
    assert Phases(0.0).trains_architecture(0.0) and Phases(0.0).rho_scale(0.0) == 1.0


@pytest.mark.parametrize("decisions", [1, 2, 13, 17])
@pytest.mark.parametrize("warmup", [0.0, 0.2, 0.9])
def test_decisions_divide_what_follows_the_warm_up(warmup: float, decisions: int) -> None:
    times = decision_times(warmup, decisions)
    assert len(times) == decisions
    gaps = [b - a for a, b in zip([warmup, *times], [*times, 1.0], strict=True)]
    assert gaps == pytest.approx([(1 - warmup) / (decisions + 1)] * (decisions + 1), abs=1e-8)


def test_thirteen_decisions_in_two_hundred_epochs() -> None:
    epochs = [200 * time for time in decision_times(0.2, 13)]
    assert epochs[0] == pytest.approx(51.43, abs=0.01) and epochs[-1] == pytest.approx(188.57, abs=0.01)
    assert {math.floor(b - a) for a, b in zip(epochs, epochs[1:], strict=False)} == {11}


def test_nothing_to_decide() -> None:
    assert decision_times(0.2, 0) == []
