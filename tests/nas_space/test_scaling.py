"""Baselines scaled to a bound: the rule, the largest within the bound, and names."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from nas_space.architecture import Architecture, baseline1, baseline2
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.scaling import (
    ScaledName,
    Size,
    build,
    largest_measured,
    largest_within,
    parse_scaled,
    scale,
    sizes,
)

SIZE = (96, 128)
FOUR_STAGES = SpaceConfig(
    16, (32, 64, 96, 128), ((2, 3, 4), (3, 4), (2, 4), (1, 3)), (1, 2, 4), (1, 2), (16, 32, 32, 64), (4, 8, 8, 16)
)
SPACES = {"paper": SpaceConfig.paper(), "compact": SpaceConfig.compact(), "four stages": FOUR_STAGES}


def counted(kind: str) -> Callable[[Architecture], float]:
    return lambda network: getattr(cost(network, SIZE, 9), kind)


def next_larger(space: SpaceConfig, network: Architecture) -> Architecture:
    """The ``baseline2`` of the next size in the row."""
    depths = tuple(map(len, network.stages))
    rows = sizes(space)
    return build("baseline2", space, rows[rows.index(Size(network.space.stem, network.space.widths, depths)) + 1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("baseline2@20ms", ("baseline2", "ms", 20.0)),
        ("baseline1@0.5ms", ("baseline1", "ms", 0.5)),
        ("baseline2@2.6G", ("baseline2", "macs_total", 2.6e9)),
        ("baseline2@0.5M", ("baseline2", "params", 5e5)),
        ("baseline2@900K", ("baseline2", "params", 9e5)),
        ("baseline2@20Mmacs", ("baseline2", "macs_total", 2e7)),
        ("baseline2@500000params", ("baseline2", "params", 5e5)),
        ("baseline1@runs/found", ("baseline1", "ms", float("inf"), "runs/found")),
        ("baseline2@./20ms", ("baseline2", "ms", float("inf"), "./20ms")),
        ("baseline2@erfnet", ("baseline2", "ms", float("inf"), "erfnet")),
    ],
)
def test_names(name: str, expected: tuple[Any, ...]) -> None:
    assert parse_scaled(name) == ScaledName(name, *expected)


@pytest.mark.parametrize("name", ["baseline1", "baseline2", "runs/a@20ms/architecture.json", "erfnet", "x@2G"])
def test_names_of_something_else(name: str) -> None:
    assert parse_scaled(name) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("baseline2@", "nothing is no bound"),
        ("baseline2@0ms", "must be above 0"),
        ("baseline2@0G", "must be above 0"),
        ("baseline2@-1G", "-1G is no bound"),
        ("baseline2@+2G", r"\+2G is no bound"),
        ("baseline2@20", "20 is no bound"),
        ("baseline2@20mss", "20mss is no bound"),
        ("baseline2@2026run", "2026run is no bound; .* or baseline2@RUN; a file or folder of this name is ./2026run"),
        ("baseline2@2G ", "2G  is no bound"),
        ("baseline2@" + "9" * 400 + "G", "must be above 0"),
        ("baseline3@20ms", "unknown baseline3; choose from baseline1, baseline2"),
    ],
)
def test_bounds_that_are_none(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_scaled(name)


def test_the_rule_by_hand() -> None:
    """The paper's 16, 64 and 128 channels with 5 and 8 layers."""
    paper = SPACES["paper"]
    assert scale(paper, Fraction(1)) == Size(16, (64, 128), (5, 8))
    assert scale(paper, Fraction(1, 2)) == Size(8, (32, 64), (3, 4))  # 2.5 layers become 3
    assert scale(paper, Fraction(3, 2)) == Size(24, (96, 192), (8, 12))
    assert scale(paper, Fraction(33, 32)) == Size(16, (68, 132), (5, 8))  # 66 channels become 68
    assert scale(paper, Fraction(0)) == Size(4, (8, 12), (1, 1))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_all_sizes_are_there_and_grow(space: SpaceConfig) -> None:
    rows = sizes(space)
    assert rows[0] == scale(space, Fraction(0)) and scale(space, Fraction(1)) in rows
    for before, after in zip(rows, rows[1:], strict=False):
        assert before != after and before.stem <= after.stem
        assert all(a <= b for a, b in zip(before.widths + before.depths, after.widths + after.depths, strict=True))
    known = set(rows)
    assert all(scale(space, Fraction(k, 997)) in known for k in range(0, 5000, 7))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("reference", ["baseline1", "baseline2"])
def test_scaled_by_one_it_is_the_baseline(space: SpaceConfig, reference: str) -> None:
    network = build(reference, space, scale(space, Fraction(1)))
    assert network.stages == {"baseline1": baseline1, "baseline2": baseline2}[reference](space).stages
    assert network.space.sizes()["choices"] == 0
    assert Architecture.from_json(network.to_json()) == network


def test_baseline2_keeps_its_cycle_of_dilations() -> None:
    network = build("baseline2", SPACES["paper"], scale(SPACES["paper"], Fraction(3, 2)))
    assert [layer.dilation for layer in network.stages[-1]] == [2, 4, 8, 16] * 3
    assert all(layer.dilation == 1 for layer in network.stages[0])
    widths = {(layer.width_3x1, layer.width_1x3) for layer in network.stages[-1]}
    assert widths == {(192, 192)}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("kind", ["macs_total", "params"])
@pytest.mark.parametrize("share", [0.05, 0.4, 1.0, 1.7, 30.0])
def test_the_largest_within_the_bound(space: SpaceConfig, kind: str, share: float) -> None:
    """It is within, and the next larger of the row is not; at the cost of the baseline it is the baseline."""
    cost_of = counted(kind)
    limit = share * cost_of(baseline2(space))
    found = largest_within(ScaledName("x", "baseline2", kind, limit), space, cost_of)
    assert cost_of(found) <= limit < cost_of(next_larger(space, found))
    if share == 1.0:
        assert found.stages == baseline2(space).stages


@pytest.mark.parametrize("share", [0.5, 0.7, 1.0, 2.5])
def test_the_largest_that_is_measured(share: float) -> None:
    """Time does not grow as multiply-accumulates do; few sizes are measured, each once, and the bound is met."""
    space, macs = SPACES["compact"], counted("macs_total")
    measured: list[Architecture] = []

    def milliseconds(network: Architecture) -> float:
        measured.append(network)
        return 0.3 + (macs(network) / 1e7) ** 0.7

    limit = share * milliseconds(baseline2(space))
    measured.clear()
    found, taken = largest_measured(ScaledName("x", "baseline2", "ms", limit), space, milliseconds, macs)
    assert len(measured) == len(set(measured)) <= 8
    assert taken == milliseconds(found) <= limit < milliseconds(next_larger(space, found))


def test_bounds_below_the_smallest() -> None:
    space, macs = SPACES["compact"], counted("macs_total")
    with pytest.raises(InputError, match="below the smallest baseline1, which has .* parameters; raise the bound"):
        largest_within(ScaledName("baseline1@1K", "baseline1", "params", 1e3), space, counted("params"))
    with pytest.raises(InputError, match="below the smallest baseline1, which has .* ms; raise the bound"):
        largest_measured(ScaledName("baseline1@1ms", "baseline1", "ms", 1.0), space, lambda one: 2 + macs(one), macs)
