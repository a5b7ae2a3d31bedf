"""What a landscape says of its networks: one score for each, and how far its seeds agree."""

from collections.abc import Sequence
from itertools import combinations
from statistics import mean

import numpy as np
import numpy.typing as npt

from experiments.landscape.table import Trained
from nas_space.architecture import Architecture

Floats = npt.NDArray[np.float64]
FEWEST = 4
"""Networks below which a rank correlation says nothing."""


def network_scores(rows: Sequence[Trained]) -> dict[Architecture, float]:
    """The score of each network, in [0, 1]: the mean over its seeds, as if every seed had trained all networks.

    All networks of one seed share its part of chance, such as the order of the images. So each score is the sum of one
    number for the network and one for the seed, fitted by least squares. In a complete table that is the plain mean.

    Args:
        rows: the trainings, in any number for each network.
    """
    if not rows:
        return {}
    networks = list(dict.fromkeys(row.architecture for row in rows))
    seeds = sorted({row.seed for row in rows})
    design = np.zeros((len(rows) + 1, len(networks) + len(seeds)))
    place = {network: i for i, network in enumerate(networks)}
    for number, row in enumerate(rows):
        design[number, place[row.architecture]] = 1.0
        design[number, len(networks) + seeds.index(row.seed)] = 1.0
    design[-1, len(networks) :] = 1.0  # the numbers of the seeds sum to 0
    target = np.array([*(row.miou for row in rows), 0.0])
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    return dict(zip(networks, solution[: len(networks)].tolist(), strict=True))


def seed_counts(rows: Sequence[Trained]) -> dict[Architecture, int]:
    """How many trainings each network has."""
    counts: dict[Architecture, int] = {}
    for row in rows:
        counts[row.architecture] = counts.get(row.architecture, 0) + 1
    return counts


def seed_correlation(rows: Sequence[Trained]) -> float | None:
    """Rank correlation of the networks' scores between two seeds, the mean over all pairs of seeds; None without one.

    It tells how much one training knows of the next: no choice can be judged more sharply.
    """
    by_seed: dict[int, dict[Architecture, float]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, {})[row.architecture] = row.miou
    values = []
    for first, second in combinations(by_seed.values(), 2):
        both = [network for network in first if network in second]
        values.append(rank_correlation([first[n] for n in both], [second[n] for n in both]))
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def ceiling(correlation: float | None, seeds: int) -> float | None:
    """The rank correlation with the mean of ``seeds`` trainings that a perfect prediction would have.

    By the formula of Spearman and Brown: the square root of the mean's reliability.

    Args:
        correlation: of ``seed_correlation``.
        seeds: trainings of each network.
    """
    if correlation is None or correlation <= 0:
        return None
    return float((seeds * correlation / (1 + (seeds - 1) * correlation)) ** 0.5)


def rank_correlation(first: Sequence[float] | Floats, second: Sequence[float] | Floats) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None of fewer than ``FEWEST`` or of equal numbers."""
    if len(first) < FEWEST:
        return None
    ranks = np.stack([_ranks(np.asarray(values, float)) for values in (first, second)])
    centred = ranks - ranks.mean(1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    return float(centred[0] @ centred[1] / norms.prod()) if norms.all() else None


def _ranks(values: Floats) -> Floats:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[places], float)
