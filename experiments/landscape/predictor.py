"""The rest of a landscape's space, predicted from the trained networks by a Gaussian process in closed form.

The score is a constant, plus a part that like networks share, plus noise (C. E. Rasmussen and C. Williams, Gaussian
Processes for Machine Learning, 2006, equations 2.25 and 2.30). Which likenesses count, and how much noise there is,
are those under which the scores are most probable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from experiments.landscape.features import Encoded, Floats, encode, likeness
from experiments.landscape.truth import rank_correlation
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig

MIXTURES = np.array([mixture for mixture in product((0.0, 1.0), repeat=5) if any(mixture)])
NOISE = np.geomspace(0.01, 100.0, 9)
"""Variance of one training's noise, over that of the shared part."""
FOLDS = 10
FEWEST = 10
"""Networks below which nothing is predicted."""
CHUNK = 4096  # networks predicted at once


@dataclass(frozen=True)
class Fit:
    """A fitted process: ``mixture @ kernels @ weights``."""

    mixture: Floats
    weights: Floats


def fit(like: Floats, scores: Floats, trainings: Floats) -> Fit:
    """Fit to scores that are 0 in the mean.

    Args:
        like: ``likeness`` of the trained networks to each other, ``(kernels, n, n)``.
        scores: mean score of each, ``(n,)``.
        trainings: how many trainings each mean is of, ``(n,)``: more have less noise.
    """
    root = np.sqrt(trainings)
    target = root * scores
    best, chosen = -np.inf, (MIXTURES[0], np.zeros_like(scores))
    for given in MIXTURES:
        mixture = given / given.sum()
        values, vectors = np.linalg.eigh(np.tensordot(mixture, like, 1) * root[:, None] * root)
        turned = vectors.T @ target
        spectra = np.maximum(values, 0)[None] + NOISE[:, None]  # (noise, n)
        variance = (turned**2 / spectra).mean(1) + 1e-18
        evidence = -(len(scores) * np.log(variance) + np.log(spectra).sum(1)) / 2
        place = int(evidence.argmax())
        if evidence[place] > best:
            best, chosen = float(evidence[place]), (mixture, root * (vectors @ (turned / spectra[place])))
    return Fit(*chosen)


@dataclass(frozen=True)
class Predictor:
    """Predicts the score of any network of a space.

    Args:
        space: the space.
        constant: mean score of the trained networks.
        known: the trained networks.
        fitted: to their scores.
    """

    space: SpaceConfig
    constant: float
    known: Encoded
    fitted: Fit

    @classmethod
    def of(cls, space: SpaceConfig, networks: Sequence[Architecture], scores: Floats, trainings: Floats) -> "Predictor":
        """Fit to trained networks; arguments as of ``fit``."""
        known, constant = encode(space, networks), _mean(scores, trainings)
        return cls(space, constant, known, fit(likeness(known, known), scores - constant, trainings))

    def predict(self, networks: Sequence[Architecture]) -> Floats:
        """The predicted score of each network, ``(n,)``."""
        parts = [self._predict(networks[start : start + CHUNK]) for start in range(0, len(networks), CHUNK)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _predict(self, networks: Sequence[Architecture]) -> Floats:
        like = np.tensordot(self.fitted.mixture, likeness(encode(self.space, networks), self.known), 1)
        return np.asarray(self.constant + like @ self.fitted.weights)


def cross_validated(
    space: SpaceConfig, networks: Sequence[Architecture], scores: Floats, trainings: Floats
) -> float | None:
    """Rank correlation between scores and predictions that know neither; None of fewer than ``FEWEST`` networks.

    Each of ``FOLDS`` parts of the networks is predicted from the others. All trainings of a network are in one part.
    The constant is that of all networks: of the others alone it would be low wherever the part is high.
    """
    if len(networks) < FEWEST:
        return None
    known = encode(space, networks)
    like, centred = likeness(known, known), scores - _mean(scores, trainings)
    predicted = np.empty(len(networks))
    order = np.random.default_rng(0).permutation(len(networks))
    for left_out in np.array_split(order, FOLDS):
        rest = np.setdiff1d(order, left_out)
        fitted = fit(like[:, rest[:, None], rest], centred[rest], trainings[rest])
        rows = np.tensordot(fitted.mixture, like[:, left_out[:, None], rest], 1)
        predicted[left_out] = rows @ fitted.weights
    return rank_correlation(scores, predicted)


def _mean(scores: Floats, trainings: Floats) -> float:
    return float((scores * trainings).sum() / trainings.sum())
