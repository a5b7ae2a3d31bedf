"""Rules of removal: which candidates leave (SSR paper, equation 11). supernet.py and narrowing.py remove them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nas_space.config import SpaceConfig
from strategies.alive import Alive, Ratios, candidate_labels


@dataclass(frozen=True)
class Removal:
    """One candidate that left the space.

    Args:
        epoch: counted from 1; removals happen at its end.
        level: ``depth``, ``operator`` or ``width``.
        label: the choice, as in the space's NNI labels.
        candidate: what was removed.
        ratio: its retaining ratio just before.
        rule: the shrinking's, ``cascade`` where its layer or operator left, ``argmax`` where a search did not decide.
    """

    epoch: int
    level: str
    label: str
    candidate: str
    ratio: float
    rule: str


class Shrinking(ABC):
    """A rule of removal, asked at the end of every epoch.

    Attributes:
        rule: its name in the list of removals.
    """

    rule: str

    @abstractmethod
    def keep(self, ratios: Ratios, alive: Alive, progress: float) -> Alive:
        """Masks of the candidates to keep, before the cascade; at least one in every choice that exists.

        Args:
            ratios: retaining ratios, floats in the shapes of the masks, 0 for dead candidates.
            alive: the current survivors.
            progress: finished part of the search, in (0, 1]; at 1 a rule that forces decisions has made all of them.
        """

    def pressed(self, alive: Alive) -> Alive:
        """Masks of the candidates whose choices the regularizer acts on, until ``keep`` is called again: here all."""
        return alive

    def renewed(self, before: Alive, after: Alive) -> Alive | None:
        """Masks of the candidates whose logits begin anew after a removal; here none do.

        A rule with an attribute ``restarts`` that is true, as earlier versions had it, lets all begin anew.
        """
        return after if getattr(self, "restarts", False) else None

    def start(self, full: Alive) -> None:  # noqa: B027  # most need no preparation
        """Called once, before the search, with the masks of the whole space."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed search must know besides the masks; plain values and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027  # most have no memory
        """Inverse of ``state_dict``; called after ``start``."""


class LevelThreshold(Shrinking):
    """Remove every candidate whose retaining ratio is at most ``h`` (SSR paper, equation 11 and Algorithm 1).

    One threshold for all choices of all levels. The best candidate has ratio 1 and always stays.

    Args:
        h: threshold on the retaining ratio, inclusive.
    """

    rule = "threshold"

    def __init__(self, h: float = 0.1) -> None:
        self.h = h

    def keep(self, ratios: Ratios, alive: Alive, progress: float) -> Alive:
        return alive & Alive(*(ratio > self.h for ratio in ratios))


def retaining_ratio(log_p: Tensor, alive: Tensor) -> Tensor:
    """``p / max p`` over the last axis, 0 for dead candidates (SSR paper, equation 11: the normaliser cancels)."""
    best = log_p.masked_fill(~alive, -float("inf")).amax(-1, keepdim=True)
    return (log_p - best).exp().masked_fill(~alive, 0.0)  # a choice without survivors gives inf before the mask


def list_removals(
    space: SpaceConfig, before: Alive, selected: Alive, after: Alive, ratios: Ratios, epoch: int, rule: str
) -> list[Removal]:
    """``removals_of`` on a ``JointSpace``."""
    return removals_of(candidate_labels(space), before, selected, after, ratios, epoch, rule)


def removals_of(
    labels: Mapping[str, Sequence[tuple[str, str, tuple[int, ...]]]],
    before: Alive,
    selected: Alive,
    after: Alive,
    ratios: Ratios,
    epoch: int,
    rule: str,
) -> list[Removal]:
    """What left between ``before`` and ``after``; candidates that the rule had ``selected`` left with the cascade.

    Args:
        labels: for each level, ``(label, candidate, index into the level's mask)`` of every candidate.
        before: the survivors before the removal.
        selected: what the rule keeps.
        after: what is left of that after the cascade.
        ratios: retaining ratio of each candidate.
        epoch: at whose end they leave.
        rule: the shrinking's name.
    """
    removals = []
    levels = zip(labels.items(), before, selected, after, ratios, strict=True)
    for (level, entries), old, mask, new, ratio in levels:
        removed, by_cascade, values = (old & ~new).cpu().numpy(), (mask & ~new).cpu().numpy(), ratio.cpu().numpy()
        for label, candidate, index in entries:
            if removed[index]:
                reason = "cascade" if by_cascade[index] else rule
                removals.append(Removal(epoch, level, label, candidate, float(values[index]), reason))
    return removals
