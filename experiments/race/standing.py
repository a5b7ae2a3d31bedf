"""Who is ahead in a round of a race, by how much, and how far that can be trusted. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True)
class Rank:
    """A network's place in a round.

    Args:
        name: of the network.
        miou: mean over the seeds, in [0, 1].
        error: standard error of ``miou``; None with one seed.
        behind: mean difference to the best network, paired by seed.
        behind_error: its standard error; None with one seed, and of the best.
        stays: whether it runs in the next round, or has won.
    """

    name: str
    miou: float
    error: float | None
    behind: float
    behind_error: float | None
    stays: bool


def rank(scores: Mapping[str, Sequence[float]], costs: Mapping[str, float], stay: int) -> list[Rank]:
    """The networks of a round, the best first; of equal ones the cheaper.

    Args:
        scores: of each network, in the order of the seeds, which all share.
        costs: of each network; decides between equal scores alone.
        stay: how many go on.
    """
    order = sorted(scores, key=lambda name: (-fmean(scores[name]), costs[name]))
    best = scores[order[0]]
    standings = []
    for place, name in enumerate(order):
        behind, error = difference(best, scores[name])
        standings.append(
            Rank(
                name, fmean(scores[name]), standard_error(scores[name]), behind, error if place else None, place < stay
            )
        )
    return standings


def difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float | None]:
    """Mean of ``first`` minus ``second``, paired, and its standard error; None with one pair."""
    pairs = [a - b for a, b in zip(first, second, strict=True)]
    return fmean(pairs), standard_error(pairs)


def standard_error(values: Sequence[float]) -> float | None:
    """Of the mean; None with one value."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def is_clear(lead: float, error: float | None) -> bool:
    """Whether a difference is above two of its standard errors."""
    return error is not None and lead > 2 * error
