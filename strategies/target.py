"""A target for the cost of the found network: it fills its budget from below as well as it stays under it.

The found network costs from ``FLOOR`` to 1 times the target (docs/method.md, equations C4 to C6). Two forces see to it:

- a pressure with a signed dual variable, which moves the expected cost up or down until it lies inside of the band;
- a guard at every shrink, on both sides: a removal after which no network in the band would be left takes back the
  candidates of the most probable one.

So the discrete network meets the target whatever the pressure achieved. Other costs may be bounded beside it.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities, TabulatedCost
from strategies.alive import LEVELS, Alive, Ratios
from strategies.budget import most_probable_within, nearest
from strategies.constraint import TOLERANCE, Bound, Constraint, mixture

FLOOR = 0.93
"""Least cost of the found network, as a share of the target."""
PRICES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""What the other bounded costs, each relative to its bound, are charged with until a network keeps to them."""


class Target(Constraint):
    """A target of one cost, and bounds on others.

    Args:
        target: the cost; its limit is the target.
        bounds: on other costs.
        space: the searched space.

    Raises:
        InputError: a target below the smallest network or above the largest, or one that no network comes near to.
    """

    AIM = (math.log(0.95), math.log(0.985))  # of expected cost over target: no pressure between the two
    GAIN = 30.0  # of the dual variable, for a logarithm that is 1 outside of the aim
    RATE = 25.0  # of the dual variable, for one whole search at a logarithm that is 1 outside of the aim
    STRONGEST = 0.5  # about as strong as the regularizer; Adam remembers a stronger one for a thousand steps
    LATE = 4.0  # power of what is decided, in [0, 1]: how late the pull replaces the pressure
    FAINT = 1e-3  # share of the cost below which a choice hardly matters
    integral: Tensor
    dual: Tensor
    pull: Tensor

    def __init__(self, target: Bound, bounds: Sequence[Bound], space: SpaceConfig) -> None:
        full = Alive.full(space).to(target.cost.table.device)
        least, most = target.cost.cheapest(*full), target.cost.dearest(*full)
        if not least <= target.limit * TOLERANCE or not target.limit <= most * TOLERANCE:
            side, fix = ("below the smallest", "raise") if least > target.limit else ("above the largest", "lower")
            given, span = target.amount(target.limit), target.span(least, most)
            raise InputError(f"target.{target.name}: {given} is {side} network's; {span}: {fix} it")
        super().__init__((target, *bounds), space)
        self.target = target
        self._entropy = max(space.sizes()["entropy_nats"], 1e-9)
        self._price = None
        if bounds:
            self._price = mixture(bounds, (1.0,) * len(bounds), space)
        self.register_buffer("integral", torch.zeros((), dtype=torch.float64))
        self.register_buffer("dual", torch.zeros((), dtype=torch.float64))
        self.register_buffer("pull", torch.zeros((), dtype=torch.float64))
        for level, mask in zip(LEVELS, full, strict=True):
            self.register_buffer(f"goal_{level}", torch.zeros_like(mask))
        proven = self._priced(full, _alike(full))
        if proven is None:
            also = " and keeps to constraint." + " and constraint.".join(b.name for b in bounds) if bounds else ""
            none = f"no network of the space costs from {FLOOR:g} to 1 times {target.limit:.6g}{also}"
            below, above = nearest(target.cost, full, target.limit)
            raise InputError(
                f"target.{target.name}: {none}; the nearest have {below:.6g} and {above:.6g}: choose another"
            )
        self._proven = proven

    def _check_alone(self, bound: Bound, full: Alive) -> None:
        if bound is not self.bounds[0]:  # the target has been checked, by its own words
            super()._check_alone(bound, full)

    def _check_together(self, full: Alive) -> None:
        """Nothing here: the target's own proof follows, which finds more networks."""

    def penalty(self, p: Probabilities) -> Tensor:
        """The pressure of the target (docs/method.md, equations C4 and C5) and the penalty of the bounds (C2)."""
        over = self._over(p)
        exceeded = torch.maximum(over.detach(), self.excess) > 0
        exceeded[0] = False
        dual, pull = self.dual.clone(), self.pull.clone()  # they move before the gradient is computed
        goal = torch.stack(
            [(level * getattr(self, f"goal_{name}")).sum() for name, level in zip(LEVELS, p, strict=True)]
        )
        return dual * self._pressure(p) - pull * goal.sum() + (self.log_mu.exp() * over * exceeded).sum()

    def _pressure(self, p: Probabilities) -> Tensor:
        """A scalar whose gradient is that of ``log E[F]``, divided in each choice by its largest part."""
        with torch.enable_grad():
            leaves = Probabilities(*(level.detach().double().requires_grad_() for level in p))
            slopes = torch.autograd.grad(self.target.cost.expected(leaves).log(), leaves, materialize_grads=True)
        terms = []
        for level, slope in zip(p, slopes, strict=True):
            slope = slope.masked_fill(level.detach() == 0, 0.0)
            slope = slope / (slope.abs().amax(-1, keepdim=True) + self.FAINT)
            terms.append((level.double() * slope).sum())
        return torch.stack(terms).sum()

    @torch.no_grad()
    def ascend(self, p: Probabilities, advance: float) -> None:
        """Move the dual variables: that of the target (docs/method.md, equation C6), those of the bounds (C3)."""
        super().ascend(p, advance)
        entropy = torch.stack([torch.special.xlogy(level, level).sum() for level in map(Tensor.double, p)]).sum()
        decided = (1.0 + entropy / self._entropy).clamp(0.0, 1.0)
        likeliest = Probabilities(*((level == level.amax(-1, keepdim=True)) & (level > 0) for level in p))
        of_mean, of_likeliest = (self.target.cost.expected(one).div(self.target.limit).log() for one in (p, likeliest))
        low, high = math.log(FLOOR), 0.0
        aim = [(1.0 - decided) * first + decided * last for first, last in zip(self.AIM, (low, high), strict=True)]
        outside = _outside((1.0 - decided) * of_mean + decided * of_likeliest, *aim)
        turned = self.integral * outside <= 0  # inside, or on the other side: what has been summed up is of no use
        self.integral.copy_(torch.where(turned, 0.0, self.integral) + self.RATE * advance * outside)
        self.integral.clamp_(-self.STRONGEST, self.STRONGEST)
        dual = (self.GAIN * outside + self.integral).clamp(-self.STRONGEST, self.STRONGEST)
        late = decided**self.LATE
        self.dual.copy_((1.0 - late) * dual)
        self.pull.copy_(late * self.STRONGEST)

    def met(self, alive: Alive) -> bool:
        """Whether some network of these survivors meets the target and every bound."""
        return self._inside(alive, _alike(alive)) is not None

    def guard(self, before: Alive, selected: Alive, ratios: Ratios) -> Alive:
        """``selected``, plus the candidates of the most probable network that meets the target, if it holds none.

        Args:
            before: the survivors before the removal; a network that meets the target is among them.
            selected: the survivors after it, before the cascade.
            ratios: retaining ratio of each candidate.
        """
        network = self._inside(selected.cascade(self.space), ratios) or self._inside(before, ratios)
        if network is None:
            return before
        goal = Alive.only(network).to(before.depth.device)
        for level, mask in zip(LEVELS, goal, strict=True):
            getattr(self, f"goal_{level}").copy_(mask)
        return Alive(*(mask | need for mask, need in zip(selected, goal, strict=True)))

    def within(self, architecture: Architecture, alive: Alive, ratios: Ratios) -> Architecture:
        """``architecture``, or the most probable network that meets the target; for a search that did not decide."""
        if self.meets(architecture):
            return architecture
        network = self._inside(alive, ratios)
        assert network is not None  # the guard has kept one
        return network

    def meets(self, architecture: Architecture) -> bool:
        """Whether a network meets the target and every bound."""
        enough = self.target.of(architecture) * TOLERANCE >= FLOOR * self.target.limit
        return enough and all(bound.met_by(architecture) for bound in self.bounds)

    def _inside(self, alive: Alive, ratios: Ratios) -> Architecture | None:
        """The most probable network that meets the target.

        Where other costs are bounded, it is the first found that keeps to all. Among very uneven probabilities no price
        may lead to one. So all networks are tried as equally probable next. At last comes the network that is known to
        meet the target: the one that the guard has kept, or that of the whole space.
        """
        network = self._priced(alive, ratios)
        if network is None and self._price is not None:
            network = self._priced(alive, _alike(alive)) or self._known(alive)
        return network

    def _known(self, alive: Alive) -> Architecture | None:
        """The network that the last guard has kept, or at first that of the whole space, if it survives."""
        goal = Alive(*(getattr(self, f"goal_{level}") for level in LEVELS))
        if not bool(goal.depth.any()):
            goal = Alive.only(self._proven).to(goal.depth.device)
        survives = all(bool((mask | ~need.to(mask.device)).all()) for mask, need in zip(alive, goal, strict=True))
        return self._priced(goal, _alike(goal)) if survives else None

    def _priced(self, alive: Alive, ratios: Ratios) -> Architecture | None:
        low, high = FLOOR * self.target.limit, self.target.limit * TOLERANCE
        for price in PRICES if self._price is not None else (0.0,):
            charged = self._charged(price)
            network = most_probable_within(self.target.cost, alive, ratios, low, high, charged)
            if network is None or self.meets(network):
                return network
        return None

    def _charged(self, price: float) -> TabulatedCost | None:
        if price == 0.0 or self._price is None:
            return None
        starts = [sum(self.space.layers[:stage]) for stage in range(len(self.space.layers))]
        tables = [price * self._price.table[start] for start in starts]
        return TabulatedCost(self.space, 0.0, tables, self._price.table.device)

    def report(self, architecture: Architecture) -> dict[str, dict[str, dict[str, float | bool]]]:
        """``target`` with the found cost and its share of the target, and ``constraint`` where others are bounded."""
        summary, name = self.summary(architecture), self.target.name
        found = self.target.of(architecture)
        met = FLOOR * self.target.limit <= found * TOLERANCE and self.target.met_by(architecture)
        of_target = {"target": self.target.limit, "found": found, "ratio": found / self.target.limit, "met": met}
        others = {key: value for key, value in summary.items() if key != name}
        return {"target": {name: of_target}, **({"constraint": others} if others else {})}


def _alike(alive: Alive) -> Ratios:
    """Ratios by which all networks of the survivors are equally probable."""
    return Ratios(*(mask.float() for mask in alive))


def _outside(value: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """How far ``value`` is above ``high``, or (negative) below ``low``; 0 between the two."""
    return (value - high).clamp(min=0.0) + (value - low).clamp(max=0.0)
