"""Scores over the seeds, and rank correlations, against scipy's and against what is known."""

from collections.abc import Callable
from statistics import mean

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments.landscape.table import Trained
from experiments.landscape.truth import ceiling, network_scores, rank_correlation, seed_correlation, seed_counts
from nas_space.config import SpaceConfig

PART = ("dilation", "pooling")


def test_a_complete_table_gives_plain_means(
    tiny: Callable[..., SpaceConfig], make_rows: Callable[..., list[Trained]]
) -> None:
    rows = make_rows(tiny(PART), seeds=(0, 1, 2), noise=0.1)
    for network, score in network_scores(rows).items():
        assert score == pytest.approx(mean(row.miou for row in rows if row.architecture == network))
    assert set(seed_counts(rows).values()) == {3}


def test_a_good_seed_favours_no_network(
    tiny: Callable[..., SpaceConfig], make_rows: Callable[..., list[Trained]]
) -> None:
    """Killed in its second seed, which is better by 0.1 for all: the order stays."""
    rows = make_rows(tiny(PART))
    second = [Trained(**{**vars(row), "seed": 1, "miou": row.miou + 0.1}) for row in rows if row.seed == 1][:9]
    first = [row for row in rows if row.seed == 0]
    scores = network_scores([*first, *second])
    assert np.ptp([scores[row.architecture] - row.miou for row in first]) < 1e-9


def test_rank_correlation_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for count in (4, 9, 50):
        one, two = rng.integers(0, 5, count).astype(float), rng.normal(size=count)
        assert rank_correlation(one, two) == pytest.approx(spearmanr(one, two).statistic)
    assert rank_correlation([1, 2, 3], [1, 2, 3]) is None  # too few
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) is None  # nothing to rank


def test_seeds_agree_as_far_as_their_noise_lets_them(
    tiny: Callable[..., SpaceConfig], make_rows: Callable[..., list[Trained]]
) -> None:
    space = tiny(PART)
    assert seed_correlation(make_rows(space)) == pytest.approx(1.0)
    assert seed_correlation(make_rows(space, seeds=[0])) is None
    noisy = seed_correlation(make_rows(space, count=150, noise=0.02, seeds=(0, 1, 2)))
    assert noisy is not None and 0.3 < noisy < 0.8


def test_the_ceiling_is_what_a_perfect_prediction_reaches() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    seeds = truth + rng.normal(size=(2, 4000))
    correlation, reached = rank_correlation(*seeds), rank_correlation(truth, seeds.mean(0))
    assert ceiling(correlation, 2) == pytest.approx(reached, abs=0.02)
    assert ceiling(1.0, 2) == 1.0 and ceiling(None, 2) is None and ceiling(-0.1, 2) is None
