"""Where the choices of searches stand in a landscape, without any training."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from experiments.landscape.notation import to_text
from experiments.landscape.predictor import FEWEST, Predictor
from experiments.landscape.summary import names_of, quality_of, table_of
from experiments.landscape.table import HAND_MADE, Landscape, Trained
from experiments.landscape.truth import Floats, network_scores, rank_correlation
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.enumeration import all_networks, count_networks
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities
from strategies.alive import Alive

MOST_NETWORKS = 50_000
"""A space with more networks than this is not looked at whole, but at ``DRAWN`` random ones."""
DRAWN = 20_000
DIGITS = 9
"""Behind the point of a logarithm: networks that differ by rounding errors are equally probable."""
FLOOR = 1e-6
"""What a removed candidate counts as: networks that hold one are ranked by how many they hold."""


def whole_space(space: SpaceConfig) -> list[Architecture]:
    """All networks of the space; ``DRAWN`` random ones where it has more than ``MOST_NETWORKS``."""
    if count_networks(space) > MOST_NETWORKS:
        generator = random.Random(0)
        return [Architecture.random(space, generator) for _ in range(DRAWN)]
    return list(all_networks(space))


def log_probabilities(p: Probabilities, networks: Sequence[Architecture]) -> Floats:
    """Logarithm of each network's probability, the sum over the choices that it has.

    Args:
        p: the choices' probabilities, with the epochs as first axis.
        networks: of the same space.

    Returns:
        ``(epochs, networks)``.
    """
    masks = [torch.stack(level).flatten(1).double() for level in zip(*map(Alive.only, networks), strict=True)]
    levels = zip(p, masks, strict=True)
    total = sum(level.double().flatten(1).clamp(min=FLOOR).log() @ mask.T for level, mask in levels)
    return np.asarray(torch.as_tensor(total).numpy().round(DIGITS))


@dataclass(frozen=True)
class Place:
    """Where a network stands.

    Args:
        miou: in [0, 1]; None where it was not trained and too few others were to predict it.
        measured: whether it stands in the table; else it is predicted.
        percentile: percentage of the table's random networks below it; of the whole space's, where it is predicted.
        regret: best score of the table minus ``miou``; of the space's predictions, where it is predicted.
        predicted_percentile: percentage of the whole space below its prediction.
        predicted_regret: best prediction in the whole space minus its prediction: no luck of the best training in it.
    """

    miou: float | None
    measured: bool
    percentile: float | None
    regret: float | None
    predicted_percentile: float | None
    predicted_regret: float | None


class Standing:
    """A landscape as a ruler for networks of its space.

    Args:
        landscape: the landscape.
    """

    def __init__(self, landscape: Landscape) -> None:
        self.landscape = landscape
        self.names = names_of(landscape.rows)
        self.scores = network_scores(landscape.rows)
        self.best = max(self.scores, key=lambda network: self.scores[network])
        self.sampled = np.array([self.scores[n] for n, name in self.names.items() if name not in HAND_MADE])
        self.quality = {"networks": len(self.scores), **quality_of(landscape)}
        self.predictor, self.predictions = _predicted(landscape.space, landscape.rows)

    def place(self, network: Architecture) -> Place:
        """Where a network of the space stands."""
        measured, predicted = self.scores.get(network), None
        if self.predictor is not None:
            predicted = float(self.predictor.predict([network])[0])
        below = None if predicted is None else 100 * float((self.predictions < predicted).mean())
        short = None if predicted is None else max(float(self.predictions.max()), predicted) - predicted
        if measured is None:
            return Place(predicted, False, below, short, below, short)
        percentile = 100 * float((self.sampled < measured).mean()) if len(self.sampled) else None
        return Place(measured, True, percentile, self.scores[self.best] - measured, below, short)

    def correlations(self, p: Probabilities) -> list[float | None]:
        """Rank correlation of the networks' probabilities with their scores, for each epoch.

        Args:
            p: probabilities with the epochs as first axis.
        """
        # A hand-made network may have what the space does not search.
        networks = [network for network in self.scores if _is_searched(network)]
        scores = np.array([self.scores[network] for network in networks])
        return [rank_correlation(row, scores) for row in log_probabilities(p, networks)]

    def fixed_rows(self) -> list[dict[str, Any]]:
        """Rows of the table that stand in every comparison: the best network, the hand-made ones, the random mean."""
        named = {name: network for network, name in self.names.items() if name in HAND_MADE}
        rows = [self.row(f"best ({self.names[self.best]})", self.best)]
        rows += [self.row(name, named[name]) for name in HAND_MADE if name in named]
        if len(self.sampled):
            mean = float(self.sampled.mean())
            row = {"network": f"random (mean of {len(self.sampled)})", "miou": 100 * mean, "score": "measured"}
            row |= {"percentile": 100 * float((self.sampled < mean).mean())}
            row["regret"] = 100 * (self.scores[self.best] - mean)
            rows.append(row)
        return rows

    def row(self, name: str, network: Architecture, more: Mapping[str, Any] = {}) -> dict[str, Any]:
        """A row of the table; scores and regrets in percent and points."""
        place = self.place(network)
        row: dict[str, Any] = {"network": name, "miou": _percent(place.miou)}
        row["score"] = "measured" if place.measured else None if place.miou is None else "predicted"
        row |= {"percentile": place.percentile, "regret": _percent(place.regret)}
        row |= {
            "predicted_percentile": place.predicted_percentile,
            "predicted_regret": _percent(place.predicted_regret),
        }
        return {**row, **more, "architecture": to_text(network)}


@lru_cache(maxsize=2)
def _predicted(space: SpaceConfig, rows: tuple[Trained, ...]) -> tuple[Predictor | None, Floats]:
    """The predictor that a table gives, and what it says of the whole space; none of fewer than ``FEWEST`` networks."""
    networks, scores, trainings = table_of(rows)
    if len(networks) < FEWEST:
        return None, np.zeros(0)
    predictor = Predictor.of(space, networks, scores, trainings)
    predictions = predictor.predict(whole_space(space))
    predictions.setflags(write=False)  # all that ask share them
    return predictor, predictions


def _is_searched(network: Architecture) -> bool:
    try:
        network.to_sample()
    except InputError:
        return False
    return True


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
