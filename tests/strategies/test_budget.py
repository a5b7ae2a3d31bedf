"""The most probable network in a band of cost, against a look at every network."""

import math
import random
from collections.abc import Callable

import pytest

from nas_space.config import DIMENSIONS
from nas_space.expected_cost import counted_cost
from strategies.alive import Alive
from strategies.budget import most_probable_within, nearest
from tests.strategies.test_constraint import SIZE, drawn, networks, small


def probability(alive: Alive, ratios: Alive) -> float:
    """Product of the ratios of one network."""
    product = 1.0
    for mask, ratio in zip(alive, ratios, strict=True):
        product *= float(ratio[mask].double().prod())
    return product


@pytest.mark.parametrize("kind", ["macs_total", "params"])
@pytest.mark.parametrize("searched", [DIMENSIONS, ("pooling", "depth"), ("width",)], ids=str)
@pytest.mark.parametrize(("seed", "stages"), [(0, 2), (1, 2), (2, 3)])
def test_it_is_the_most_probable_of_all(
    kind: str, searched: tuple[str, ...], seed: int, stages: int, survivors: Callable[..., Alive]
) -> None:
    space = small(searched, stages)
    alive, table = survivors(space, seed, 0.45), counted_cost(space, kind, SIZE, 5)
    ratios = drawn(alive, seed)
    every = [(table.cheapest(*Alive.only(network)), network) for network in networks(space, alive)]
    high = random.Random(seed).choice(every)[0] * 1.001
    inside = [network for cost, network in every if 0.93 * high <= cost <= high]
    found = most_probable_within(table, alive, ratios, 0.93 * high, high)
    assert found is not None and found in inside
    best = max(probability(Alive.only(network), ratios) for network in inside)
    assert probability(Alive.only(found), ratios) == pytest.approx(best, rel=1e-6)


def test_nothing_where_no_network_is_in_the_band(survivors: Callable[..., Alive]) -> None:
    space = small()
    alive, table = survivors(space, 0, 0.4), counted_cost(space, "params", SIZE, 5)
    costs = sorted({table.cheapest(*Alive.only(network)) for network in networks(space, alive)})
    gap, low, high = max((b - a, a, b) for a, b in zip(costs, costs[1:], strict=False))
    assert gap > 1
    assert most_probable_within(table, alive, drawn(alive, 0), low + 0.5, high - 0.5) is None
    assert most_probable_within(table, alive, drawn(alive, 0), costs[-1] + 1, 2 * costs[-1]) is None
    assert most_probable_within(table, alive, drawn(alive, 0), 0.0, table.fixed) is None


def test_a_price_on_another_cost_leads_away_from_it(survivors: Callable[..., Alive]) -> None:
    space = small()
    alive, macs, params = Alive.full(space), *(counted_cost(space, kind, SIZE, 5) for kind in ("macs_total", "params"))
    ratios, high = drawn(alive, 1), macs.dearest(*alive)
    free, priced = (most_probable_within(macs, alive, ratios, 0.7 * high, high, price) for price in (None, params))
    assert free is not None and priced is not None
    assert params.cheapest(*Alive.only(priced)) < params.cheapest(*Alive.only(free))


@pytest.mark.parametrize(("seed", "stages"), [(0, 2), (1, 2), (2, 3)])
def test_the_nearest_costs_on_both_sides(seed: int, stages: int, survivors: Callable[..., Alive]) -> None:
    space = small(stages=stages)
    alive, table = survivors(space, seed, 0.4), counted_cost(space, "params", SIZE, 5)
    costs = sorted({table.cheapest(*Alive.only(network)) for network in networks(space, alive)})
    value = random.Random(seed).uniform(costs[0], costs[-1])
    expected = max(cost for cost in costs if cost <= value), min(cost for cost in costs if cost > value)
    assert nearest(table, alive, value) == pytest.approx(expected)
    assert nearest(table, alive, costs[0] - 1)[0] == -math.inf and nearest(table, alive, costs[-1])[1] == math.inf
