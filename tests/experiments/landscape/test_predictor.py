"""The predictor against landscapes whose function is known, and against pure noise."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from experiments.landscape.features import encode, kernels, likeness
from experiments.landscape.predictor import FEWEST, Predictor, cross_validated
from experiments.landscape.truth import rank_correlation
from nas_space.architecture import Architecture, Layer
from nas_space.config import DIMENSIONS, SpaceConfig

COMPACT = SpaceConfig.compact(("dilation", "pooling"))


def layers(network: Architecture) -> list[Layer]:
    return [layer for stage in network.stages for layer in stage]


def by_place(network: Architecture) -> float:
    """A number for every place and operator, without any order."""
    table = np.random.default_rng(1).normal(size=(16, 9, 3))
    return float(sum(table[i, layer.dilation, layer.pooling] for i, layer in enumerate(layers(network))))


def by_pairs(network: Architecture) -> float:
    """Neighbours with different dilations are good, and the last pooled layer is bad."""
    chosen = layers(network)
    different = sum(a.dilation != b.dilation for a, b in zip(chosen, chosen[1:], strict=False))
    return different - (chosen[-1].pooling > 1) + 0.2 * by_place(network)


def by_sight(network: Architecture) -> float:
    """Some must be dilated, no matter which, and too much is no better."""
    return float(np.tanh(sum(2 * layer.dilation * layer.pooling for layer in layers(network)) / 30))


def by_size(network: Architecture) -> float:
    return float(np.log(sum(layer.width_3x1 + layer.width_1x3 for layer in layers(network))))


def sample(space: SpaceConfig, count: int, seed: int = 0) -> list[Architecture]:
    generator = random.Random(seed)
    return list(dict.fromkeys(Architecture.random(space, generator) for _ in range(count)))


@pytest.mark.parametrize(
    ("function", "space", "least"),
    [
        (by_place, COMPACT, 0.85),
        (by_pairs, COMPACT, 0.75),
        (by_sight, COMPACT, 0.75),
        (by_size, SpaceConfig.compact(DIMENSIONS), 0.85),
    ],
)
def test_a_known_function_is_found(function: Callable[[Architecture], float], space: SpaceConfig, least: float) -> None:
    networks, others = sample(space, 70), sample(space, 100, seed=1)
    truth = np.array([function(network) for network in networks])
    scores, trainings = truth + 0.2 * truth.std() * np.random.default_rng(0).normal(size=len(truth)), np.full(70, 2.0)
    told = cross_validated(space, networks, scores, trainings[: len(networks)])
    predicted = Predictor.of(space, networks, scores, trainings[: len(networks)]).predict(others)
    reached = rank_correlation([function(network) for network in others], predicted)
    assert told is not None and reached is not None and min(told, reached) > least
    assert abs(told - reached) < 0.2  # what is told is what holds of networks that nobody trained
    assert abs(predicted.mean() - scores.mean()) < scores.std()


def test_noise_is_not_predicted() -> None:
    networks = sample(COMPACT, 60)
    trainings = np.ones(len(networks))
    told = []
    for seed in range(2):
        scores = np.random.default_rng(seed).normal(size=len(networks))
        told.append(cross_validated(COMPACT, networks, scores, trainings) or 0.0)
    assert abs(np.mean(told)) < 0.25
    spread = Predictor.of(COMPACT, networks, scores, trainings).predict(sample(COMPACT, 50, seed=1)).std()
    assert spread < 0.5  # of scores with deviation 1


def test_more_trainings_of_a_network_count_more() -> None:
    networks = sample(COMPACT, 60)
    truth = np.array([by_place(network) for network in networks])
    scores = truth.copy()
    scores[::2] += np.random.default_rng(0).normal(size=len(scores[::2])) * 3 * truth.std()
    others = sample(COMPACT, 150, seed=1)
    expected = [by_place(network) for network in others]
    weights = [np.where(np.arange(len(scores)) % 2, trusted, 1.0) for trusted in (1.0, 50.0)]
    alike, weighted = (
        rank_correlation(expected, Predictor.of(COMPACT, networks, scores, trainings).predict(others)) or 0.0
        for trainings in weights
    )
    assert weighted > alike + 0.05


def test_too_few_networks_tell_nothing() -> None:
    networks = sample(COMPACT, FEWEST - 1)
    assert cross_validated(COMPACT, networks, np.arange(len(networks)) * 1.0, np.ones(len(networks))) is None


def test_likeness_is_1_of_equal_networks_and_less_of_all_others(deep: Callable[..., SpaceConfig]) -> None:
    for space in (COMPACT, deep(3), SpaceConfig.paper()):
        networks = encode(space, sample(space, 12))
        full = kernels(networks, networks, networks)
        off = full[:, ~np.eye(full.shape[1], dtype=bool)]
        np.testing.assert_allclose(full.diagonal(axis1=1, axis2=2), 1.0)
        assert (off[[1, 2, 4]] < 1).all() and (off >= 0).all()
        assert (np.linalg.eigvalsh(full) > -1e-9).all()  # kernels
        np.testing.assert_allclose(likeness(networks, networks).sum(2), 0.0, atol=1e-9)
