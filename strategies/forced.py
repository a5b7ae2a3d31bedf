"""Rules of removal that force decisions at given times: stages, greedy decisions, globally lowest."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nas_space.expected_cost import divide_by_sum
from strategies.alive import LEVELS, Alive, Ratios
from strategies.schedules import decision_times
from strategies.shrinking import Shrinking

EQUAL = 1e-6  # scores that differ by less are equal: min-max scaling must not stretch rounding errors


class Stages(Shrinking):
    """At the end of each stage, of equal lengths, keep the best candidates of every choice (P-DARTS).

    Args:
        shares: part of a choice's candidates that is left after each stage, rounded up; 0 means one.
    """

    rule = "stage"

    def __init__(self, shares: Sequence[float] = (0.6, 0.4, 0.0)) -> None:
        self.shares = tuple(shares)
        self._sizes: list[Tensor] = []

    def start(self, full: Alive) -> None:
        """Remember how many candidates each choice began with."""
        self._sizes = [mask.sum(-1) for mask in full]

    def keep(self, ratios: Ratios, alive: Alive, progress: float) -> Alive:
        finished = math.floor(round(progress * len(self.shares), 9))
        if finished == 0:
            return alive
        share = self.shares[finished - 1]
        levels = []
        for ratio, mask, size in zip(ratios, alive, self._sizes, strict=True):
            # Rounded before the ceiling: 0.6 * 5 is 3.0000000000000004 in some arithmetics.
            count = torch.ceil((size.to(mask.device) * share).double().mul(1e6).round().div(1e6)).clamp(min=1)
            levels.append(mask & (ranks(ratio, mask) < count[..., None]))
        return Alive(*levels)

    def renewed(self, before: Alive, after: Alive) -> Alive:
        """All of them."""
        return after


class Decisions(Shrinking):
    """A rule that makes as many decisions as the super-network has layers, at equal intervals after a warm-up.

    On a space that is no ``JointSpace``: as it has choices of operators, or where it has none, choices of its longest
    level.

    Args:
        warmup: part of the search before which nothing is decided.
    """

    def __init__(self, warmup: float) -> None:
        self.warmup = warmup
        self.decisions_made = 0
        self._times: list[float] = []

    def start(self, full: Alive) -> None:
        self._times = decision_times(self.warmup, len(full.operator) or max(map(len, full)))

    def keep(self, ratios: Ratios, alive: Alive, progress: float) -> Alive:
        """Make every decision that is due by now, one after the other."""
        decisions_due = len(self._times) if progress >= 1.0 else sum(time <= round(progress, 9) for time in self._times)
        while self.decisions_made < decisions_due:
            alive = self._decide_levels(ratios, alive, len(self._times) - self.decisions_made)
            self.decisions_made += 1
        if progress >= 1.0:  # what a constraint took back after the last decision
            alive = self._decide_levels(ratios, alive, 1)
        return alive

    def _decide_levels(self, ratios: Ratios, alive: Alive, decisions_left: int) -> Alive:
        return Alive(
            *(self.decide(level, r, m, decisions_left) for level, r, m in zip(LEVELS, ratios, alive, strict=True))
        )

    def decide(self, level: str, ratio: Tensor, alive: Tensor, decisions_left: int) -> Tensor:
        """The survivors ``(..., candidates)`` of a level after one decision, with ``decisions_left`` to come."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        return {"made": self.decisions_made}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.decisions_made = state["made"]


class GloballyLowest(Decisions):
    """Each decision removes the candidates of globally lowest probability of each level (SSR paper, Table 4)."""

    rule = "lowest"

    def decide(self, level: str, ratio: Tensor, alive: Tensor, decisions_left: int) -> Tensor:
        """Remove an equal share of what has to go; the best of a choice stays."""
        removable = alive & (ranks(ratio, alive) > 0)
        count = math.ceil(int(removable.sum()) / decisions_left)
        p = divide_by_sum(ratio * alive).masked_fill(~removable, math.inf)
        lowest = torch.zeros_like(alive, memory_format=torch.contiguous_format)
        lowest.view(-1)[p.flatten().argsort(stable=True)[:count]] = True
        return alive & ~lowest


class GreedyDecisions(Decisions):
    """Each decision fixes the most certain choices of every level to their best candidate (SGAS).

    The score is the certainty ``1 - H(p) / log n``. With ``criterion`` 2 it is multiplied by the stability: the mean
    histogram intersection ``sum_k min(p_k now, p_k then)`` with the last ``HISTORY`` epochs. Both are scaled to [0, 1]
    over the undecided choices of a level.

    Args:
        warmup: part of the search before which nothing is decided.
        criterion: 1 or 2.
    """

    rule = "decision"
    HISTORY = 4

    def __init__(self, warmup: float, criterion: int = 1) -> None:
        super().__init__(warmup)
        self.criterion = criterion
        self._past: list[dict[str, Tensor]] = []

    def keep(self, ratios: Ratios, alive: Alive, progress: float) -> Alive:
        alive = super().keep(ratios, alive, progress)
        now = {level: divide_by_sum(ratio) for level, ratio in zip(LEVELS, ratios, strict=True)}
        self._past = [*self._past, now][-self.HISTORY :]
        return alive

    def decide(self, level: str, ratio: Tensor, alive: Tensor, decisions_left: int) -> Tensor:
        """Fix an equal share of the undecided choices."""
        undecided = alive.sum(-1) > 1
        count = math.ceil(int(undecided.sum()) / decisions_left)
        p = divide_by_sum(ratio * alive)
        score = _min_max(certainty(p, alive), undecided)
        if self.criterion == 2 and self._past:
            past = torch.stack([then[level].to(p.device) for then in self._past])
            score = score * _min_max(stability(p, past), undecided)
        order = score.masked_fill(~undecided, -math.inf).flatten().argsort(dim=0, descending=True, stable=True)
        fixed = torch.zeros_like(undecided, memory_format=torch.contiguous_format)
        fixed.view(-1)[order[:count]] = True
        fixed &= undecided
        return torch.where(fixed[..., None], alive & (ranks(ratio, alive) == 0), alive)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "past": self._past}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._past = list(state["past"])


def ranks(ratio: Tensor, alive: Tensor) -> Tensor:
    """Rank of each candidate in its choice, 0 for the best, ``(..., candidates)``; ties by position, the dead last."""
    order = ratio.masked_fill(~alive, -1.0).argsort(dim=-1, descending=True, stable=True)
    places = torch.arange(ratio.shape[-1], device=ratio.device).expand_as(order)
    return torch.empty_like(order).scatter_(-1, order, places)


def certainty(p: Tensor, alive: Tensor) -> Tensor:
    """``1 - H(p) / log n`` of each choice with its n survivors, ``(...,)`` in [0, 1]; 1 where only one is left."""
    entropy = -torch.special.xlogy(p, p).sum(-1)
    return 1.0 - entropy / alive.sum(-1).clamp(min=2).to(p.dtype).log()


def stability(p: Tensor, past: Tensor) -> Tensor:
    """Mean over past epochs of ``sum_k min(p_k now, p_k then)``; p ``(..., n)``, past ``(epochs, ..., n)``."""
    return torch.minimum(p, past).sum(-1).mean(0)


def _min_max(score: Tensor, undecided: Tensor) -> Tensor:
    """Min-max scaling over the undecided choices; 1 for all where they are equal (in the original 0/0)."""
    if not bool(undecided.any()):
        return torch.ones_like(score)
    low, high = score[undecided].min(), score[undecided].max()
    return (score - low) / (high - low) if bool(high - low > EQUAL) else torch.ones_like(score)
