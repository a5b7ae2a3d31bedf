"""Bounds on the cost of the found network: a differentiable penalty, a dual variable, and a guard at every shrink.

The penalty is ``mu * log(E[F] / bound)`` on the expected cost (docs/method.md, equations C2 and C3). ``mu`` rises
exponentially while the expectation or the most probable network exceeds the bound, and falls while both meet it. The
guard takes back removals after which no network within the bound would be left. So the discrete network meets the bound
whatever the penalty achieved.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities, TabulatedCost
from strategies.alive import Alive, Ratios

TOLERANCE = 1.0 + 1e-9  # costs are sums of floating-point numbers
GRID = 10  # steps of a weight from 0 to 1, where several costs are bounded and weighed against each other


@dataclass(frozen=True)
class Bound:
    """One bound.

    Args:
        name: the option's key, for messages.
        cost: the bounded cost, as a table.
        limit: its largest value, in the unit of the table.
    """

    name: str
    cost: TabulatedCost
    limit: float

    def of(self, architecture: Architecture) -> float:
        """Cost of a network, in the unit of the table."""
        return self.cost.cheapest(*Alive.only(architecture).to(self.cost.table.device))

    def met_by(self, architecture: Architecture) -> bool:
        """Whether a network is within the bound."""
        return self.of(architecture) <= self.limit * TOLERANCE

    def amount(self, value: float) -> str:
        """A cost in words: milliseconds to four digits, counted costs in full."""
        return f"{value:.4g} ms" if self.name == "latency_ms" else f"{value:,.0f}"

    def span(self, least: float, most: float) -> str:
        """What the networks of a space cost, in words."""
        at = "" if self.name == "params" else " at cost.size (data.size, if that is absent)"
        return f"networks of the space have {self.amount(least)} to {self.amount(most)}{at}"


class Constraint(nn.Module):
    """All bounds of a search, with one dual variable each.

    Args:
        bounds: at least one.
        space: the searched space.

    Attributes:
        relative: the mean of all bounded costs, each relative to its bound.

    Raises:
        InputError: a bound below the cheapest network of the space, or bounds that no network keeps to together.
    """

    START, LARGEST = 0.01, 1e4  # of mu: from below the task's gradients to far above the regularizer's
    RATE = 25.0  # of log mu, for one whole search at which the bound is exceeded e-fold
    log_mu: Tensor
    excess: Tensor

    def __init__(self, bounds: Sequence[Bound], space: SpaceConfig) -> None:
        super().__init__()
        self.bounds = tuple(bounds)
        self.space = space
        self._mixtures = [mixture(self.bounds, weights, space) for weights in _weightings(len(self.bounds))]
        self.relative = self._mixtures[0]
        full = Alive.full(space).to(self.relative.table.device)
        for bound in self.bounds:
            self._check_alone(bound, full)
        self._check_together(full)
        self.register_buffer("log_mu", torch.full((len(self.bounds),), math.log(self.START), dtype=torch.float64))
        self.register_buffer("excess", torch.full((len(self.bounds),), -math.inf, dtype=torch.float64))

    def _check_alone(self, bound: Bound, full: Alive) -> None:
        least = bound.cost.cheapest(*full)
        if least > bound.limit * TOLERANCE:
            span = bound.span(least, bound.cost.dearest(*full))
            problem = f"{bound.amount(bound.limit)} is below the smallest network's; {span}: raise it"
            raise InputError(f"constraint.{bound.name}: {problem}")

    def _check_together(self, full: Alive) -> None:
        """That a network keeps to all bounds: one which the guard of every removal will find."""
        if not self.met(full):
            names = " and ".join(f"constraint.{bound.name}" for bound in self.bounds)
            nearest = self._smallest(full)
            has = ", ".join(f"{bound.name} {bound.amount(bound.of(nearest))}" for bound in self.bounds)
            raise InputError(f"{names}: found no network that keeps to all; the nearest has {has}: raise one of them")

    def penalty(self, p: Probabilities) -> Tensor:
        """``sum mu * log(E[F] / bound)``, float64 scalar (docs/method.md, equation C2).

        The sum is over the bounds that the expectation or the most probable network exceeds.
        """
        over = self._over(p)
        exceeded = torch.maximum(over.detach(), self.excess) > 0
        return (self.log_mu.exp() * over * exceeded).sum()

    @torch.no_grad()
    def ascend(self, p: Probabilities, advance: float) -> None:
        """Move the dual variables (docs/method.md, equation C3).

        Args:
            p: the current probabilities.
            advance: part of the search that the step makes up.
        """
        rise = self.RATE * advance * torch.maximum(self._over(p), self.excess)
        self.log_mu.add_(rise).clamp_(math.log(self.START), math.log(self.LARGEST))

    def _over(self, p: Probabilities) -> Tensor:
        """``log(E / bound)`` of each bound, float64 ``(bounds,)``."""
        return torch.stack([bound.cost.expected(p).div(bound.limit).log() for bound in self.bounds])

    def observe(self, architecture: Architecture) -> None:
        """Remember by how much the most probable network exceeds each bound."""
        for i, bound in enumerate(self.bounds):
            self.excess[i] = math.log(bound.of(architecture) / bound.limit)

    def met(self, alive: Alive) -> bool:
        """Whether the smallest network of these survivors meets every bound."""
        return self._excess_of(alive) <= TOLERANCE

    def _excess_of(self, alive: Alive) -> float:
        """Largest ratio of cost to bound of the smallest network of these survivors."""
        return self.relative.cheapest(*alive) if len(self.bounds) == 1 else self._excess(self._smallest(alive))

    def _excess(self, network: Architecture) -> float:
        return max(bound.of(network) / bound.limit for bound in self.bounds)

    def _smallest(self, alive: Alive) -> Architecture:
        """The network with the least excess; of several bounds, among the cheapest for each weighting of the costs."""
        return min((mixture.cheapest_network(*alive) for mixture in self._mixtures), key=self._excess)

    def summary(self, architecture: Architecture) -> dict[str, dict[str, float | bool]]:
        """For each bound its ``limit``, the network's cost (``found``), and whether the bound is ``met``."""
        return {b.name: dict(limit=b.limit, found=b.of(architecture), met=b.met_by(architecture)) for b in self.bounds}

    def meets(self, architecture: Architecture) -> bool:
        """Whether a network meets every bound."""
        return all(bound.met_by(architecture) for bound in self.bounds)

    def report(self, architecture: Architecture) -> dict[str, dict[str, dict[str, float | bool]]]:
        """What ``search.json`` says: the summary under its name."""
        return {"constraint": self.summary(architecture)}

    def guard(self, before: Alive, selected: Alive, ratios: Ratios) -> Alive:
        """``selected``, plus as many of the removed candidates as a network within the bounds needs.

        Candidates that save cost come back in the order of their probability, the most probable first.

        Args:
            before: the survivors before the removal; a network within the bounds is among them.
            selected: the survivors after it, before the cascade.
            ratios: retaining ratio of each candidate.
        """
        guarded = selected.clone()
        while not self.met(guarded.cascade(self.space)):
            candidate = self._best_saving(before, guarded, ratios)
            if candidate is None:  # no candidate saves by itself: give up this removal
                return before
            level, index = candidate
            guarded[level][index] = True
        return guarded

    def within(self, architecture: Architecture, alive: Alive, ratios: Ratios) -> Architecture:
        """``architecture``, or the most probable network near it within the bounds; for a search that did not decide.

        Args:
            architecture: the most probable network.
            alive: the survivors; a network within the bounds is among them.
            ratios: retaining ratio of each candidate.
        """
        chosen = Alive.only(architecture).to(alive.depth.device)
        if self.met(chosen):
            return architecture
        # An operator that comes in brings its most probable widths along.
        best = alive.width & (ratios.width == ratios.width.amax(-1, keepdim=True))
        selected = chosen._replace(width=chosen.width | (best & ~chosen.operator[..., None, None]))
        return self._smallest(self.guard(alive, selected, ratios).cascade(self.space))

    def _best_saving(self, before: Alive, selected: Alive, ratios: Ratios) -> tuple[int, tuple[int, ...]] | None:
        """Level and index of the removed candidate with the highest ratio that makes the smallest network cheaper."""
        excess = self._excess_of(selected.cascade(self.space))
        candidates: list[tuple[float, int, tuple[int, ...]]] = []
        for level, (old, new, ratio) in enumerate(zip(before, selected, ratios, strict=True)):
            candidates += [(float(ratio[tuple(i)]), level, tuple(i)) for i in (old & ~new).nonzero().tolist()]
        for _, level, index in sorted(candidates, reverse=True):
            trial = selected.clone()
            trial[level][index] = True
            if self._excess_of(trial.cascade(self.space)) < excess:
                return level, index
        return None


def _weightings(count: int) -> list[tuple[float, ...]]:
    """Weights of ``count`` costs that sum to 1: equal ones first, then a grid over the simplex."""
    grid = (parts for parts in product(range(GRID + 1), repeat=count) if sum(parts) == GRID and count > 1)
    return [(1.0 / count,) * count, *(tuple(part / GRID for part in parts) for parts in grid)]


def mixture(bounds: Sequence[Bound], weights: Sequence[float], space: SpaceConfig) -> TabulatedCost:
    """The weighted sum of all bounded costs, each relative to its bound."""
    shares = [weight / bound.limit for weight, bound in zip(weights, bounds, strict=True)]
    table = torch.stack([share * bound.cost.table for share, bound in zip(shares, bounds, strict=True)]).sum(0)
    starts = [sum(space.layers[:stage]) for stage in range(len(space.layers))]
    fixed = sum(share * bound.cost.fixed for share, bound in zip(shares, bounds, strict=True))
    return TabulatedCost(space, fixed, [table[start] for start in starts], table.device)
