"""The most probable network whose cost lies in a band, exactly or nearly so, by dynamic programming.

A cost that sums over layers makes this a knapsack with one item from each choice: each layer takes one operator with
two widths, each stage one depth. Costs are sorted into ``BUCKETS`` equal parts of the band's upper end. Each bucket
keeps the most probable way to get there, and its exact cost. So every network that is returned lies in the band. One is
missed only where a more probable way to the same bucket ends outside of it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas_space.architecture import Architecture, Layer
from nas_space.expected_cost import TabulatedCost
from strategies.alive import Alive, Ratios

BUCKETS = 2000
LEAST = 1e-30  # ratio of a survivor that has none left in its floating-point numbers

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class _Options:
    """What one layer may be: how many buckets each option moves, its cost, its score, its place in the table."""

    shift: Integers
    cost: Floats
    score: Floats
    place: list[tuple[int, int, int]]


@dataclass(frozen=True)
class _State:
    """The best way to each bucket: its score (minus infinity: none) and its exact cost."""

    score: Floats
    cost: Floats


@dataclass(frozen=True)
class _Stage:
    """The options of a stage's layers, the option that each bucket took at each layer, and the depth at its end."""

    layers: list[_Options]
    choices: list[Integers]
    depths: Integers


def most_probable_within(
    table: TabulatedCost, alive: Alive, ratios: Ratios, low: float, high: float, price: TabulatedCost | None = None
) -> Architecture | None:
    """The network of the survivors with the largest product of ratios among those that cost from ``low`` to ``high``.

    Args:
        table: the cost.
        alive: the survivors.
        ratios: retaining ratio of each candidate.
        low: the least cost.
        high: the largest.
        price: another cost, which lowers the logarithm of the product.

    Returns:
        None where no network is in the band.
    """
    if high <= table.fixed:
        return None
    stages, state = _all_ways(table, alive, ratios, high, price)
    total = table.fixed + state.cost
    inside = (state.score > -math.inf) & (total >= low) & (total <= high)
    if not inside.any():
        return None
    return _trace(table, stages, int(np.where(inside, state.score, -math.inf).argmax()))


def nearest(table: TabulatedCost, alive: Alive, value: float) -> tuple[float, float]:
    """The largest cost of a network of the survivors that is at most ``value``, and the smallest above it, nearly so.

    Minus infinity and infinity where there is none up to twice the value.
    """
    ratios = Alive(*(mask.float() for mask in alive))
    _, state = _all_ways(table, alive, ratios, 2.0 * value, None)
    costs = table.fixed + state.cost[state.score > -math.inf]
    below, above = costs[costs <= value], costs[costs > value]
    return float(below.max(initial=-math.inf)), float(above.min(initial=math.inf))


def _all_ways(
    table: TabulatedCost, alive: Alive, ratios: Ratios, high: float, price: TabulatedCost | None
) -> tuple[list[_Stage], _State]:
    """The best way to each bucket up to ``high``, and the stages that lead there."""
    space, unit = table.space, (high - table.fixed) / BUCKETS
    alive, scores = alive.to("cpu"), [ratio.cpu().double().clamp(min=LEAST).log().numpy() for ratio in ratios]
    depth_alive, of_depth = alive.depth.numpy(), scores[0]
    size = BUCKETS + sum(space.layers) + 1  # a layer's cost is rounded to a bucket
    state = _State(np.full(size, -math.inf), np.zeros(size))
    state.score[0] = 0.0
    stages: list[_Stage] = []
    row = 0
    for stage, candidates in enumerate(space.depth_candidates):
        best, depths = _State(np.full(size, -math.inf), np.zeros(size)), np.zeros(size, np.int64)
        layers: list[_Options] = []
        choices: list[Integers] = []
        deepest = max(depth for depth, on in zip(candidates, depth_alive[stage], strict=False) if on)
        for position in range(deepest):
            layers.append(_options(table, alive, scores, row + position, unit, price))
            state, chosen = _add(state, layers[-1])
            choices.append(chosen)
            if position + 1 in candidates and depth_alive[stage][k := candidates.index(position + 1)]:
                ends = state.score + of_depth[stage][k]
                better = ends > best.score
                best.score[better], best.cost[better], depths[better] = ends[better], state.cost[better], position + 1
        stages.append(_Stage(layers, choices, depths))
        state = best
        row += space.layers[stage]
    return stages, state


def _options(
    table: TabulatedCost, alive: Alive, scores: list[Floats], row: int, unit: float, price: TabulatedCost | None
) -> _Options:
    """The options of a layer that survive; of those that move equally many buckets, the one with the best score."""
    first, second = alive.width[row, :, 0].numpy(), alive.width[row, :, 1].numpy()
    mask = alive.operator[row].numpy()[:, None, None] & first[:, :, None] & second[:, None, :]
    score = scores[1][row][:, None, None] + scores[2][row][:, 0, :, None] + scores[2][row][:, 1, None, :]
    cost = table.table[row].cpu().numpy()
    if price is not None:
        score = score - price.table[row].cpu().numpy()
    places = np.argwhere(mask)
    costs, values = cost[mask], score[mask]
    shift = np.rint(costs / unit).astype(np.int64)
    order = np.lexsort((-values, shift))
    order = order[np.unique(shift[order], return_index=True)[1]]
    place = [(int(o), int(i), int(j)) for o, i, j in places[order]]
    return _Options(shift[order], costs[order], values[order], place)


def _add(state: _State, options: _Options) -> tuple[_State, Integers]:
    """The state with one layer more, and which option each bucket took."""
    size = len(state.score)
    score, cost, chosen = np.full(size, -math.inf), np.zeros(size), np.zeros(size, np.int64)
    for k, (shift, layer_cost, value) in enumerate(zip(options.shift, options.cost, options.score, strict=True)):
        if shift >= size:
            break  # options are sorted by shift
        moved = state.score[: size - shift] + value
        better = moved > score[shift:]
        score[shift:][better] = moved[better]
        cost[shift:][better] = state.cost[: size - shift][better] + layer_cost
        chosen[shift:][better] = k
    return _State(score, cost), chosen


def _trace(table: TabulatedCost, stages: list[_Stage], bucket: int) -> Architecture:
    """The network that ends in ``bucket``."""
    space, found = table.space, []
    for stage in reversed(range(len(stages))):
        options, choices, depths = stages[stage].layers, stages[stage].choices, stages[stage].depths
        widths, layers = space.width_candidates(stage), []
        for position in reversed(range(int(depths[bucket]))):
            k = int(choices[position][bucket])
            operator, first, second = options[position].place[k]
            layers.append(Layer(*space.operators[operator], widths[first], widths[second]))
            bucket -= int(options[position].shift[k])
        found.append(tuple(reversed(layers)))
    return Architecture(space, tuple(reversed(found)))
