"""Where the choices of searches stand in a landscape, without any training."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.landscape.notation import to_text
from experiments.landscape.predictor import FEWEST, Predictor
from experiments.landscape.ruler import DIGITS, FLOOR, FoundNetwork, Place, Ruler
from experiments.landscape.runs import differences, read_found
from experiments.landscape.summary import names_of, quality_of, table_of
from experiments.landscape.table import HAND_MADE, Landscape, Trained
from experiments.landscape.truth import Floats, network_scores
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.enumeration import all_networks, count_networks
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities
from strategies.alive import Alive

MOST_NETWORKS = 50_000
"""A space with more networks than this is not looked at whole, but at ``DRAWN`` random ones."""
DRAWN = 20_000


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


class Standing(Ruler[Architecture, Probabilities]):
    """A landscape as a ruler for networks of its space; a predictor tells of those that it does not hold.

    Args:
        landscape: the landscape.
    """

    def __init__(self, landscape: Landscape) -> None:
        self.landscape = landscape
        self.names, scores = names_of(landscape.rows), network_scores(landscape.rows)
        sampled = [network for network, name in self.names.items() if name not in HAND_MADE]
        super().__init__(landscape.name, "miou", scores, sampled)

    @cached_property
    def quality(self) -> dict[str, Any]:
        return {"networks": len(self.scores), **quality_of(self.landscape)}

    def worth(self) -> str:
        quality, facts = self.quality, self.landscape.facts
        shown = {key: "-" if quality[key] is None else f"{quality[key]:.2f}" for key in quality if key != "networks"}
        told = (
            f"landscape {self.name}: {quality['networks']} networks on {facts['data'].get('name')} at "
            f"{facts['resolution']}; rank correlation of one seed with another {shown['seed_correlation']}, "
            f"of the predictor with networks that it has not seen {shown['predictor_correlation']}"
        )
        if self.predictor is None:
            return f"{told}\nother networks cannot be predicted: that takes {FEWEST} trained ones"
        among = f"{len(self.predictions)} predictions"
        rule = (
            f"A measured network's percentile and regret are among the measured ones, a predicted one's among {among}"
        )
        return f"{told}\n{rule}; the predicted ones are alike for both"

    @property
    def predictor(self) -> Predictor | None:
        """None of too few networks."""
        return _predicted(self.landscape.space, self.landscape.rows)[0]

    @property
    def predictions(self) -> Floats:
        """Of the whole space; empty without a predictor."""
        return _predicted(self.landscape.space, self.landscape.rows)[1]

    @property
    def best_predicted(self) -> Architecture | None:
        """Of the whole space, or of the random networks that stand for it."""
        return _predicted(self.landscape.space, self.landscape.rows)[2]

    def fixed_rows(self) -> list[dict[str, Any]]:
        rows = super().fixed_rows()
        if self.predictor is not None and self.sampled:
            mean = float(self.predictor.predict(list(self.sampled)).mean())
            rows[-1]["predicted_percentile"] = 100 * float((self.predictions < mean).mean())
            rows[-1]["predicted_regret"] = 100 * (float(self.predictions.max()) - mean)
        return rows

    def place(self, network: Architecture) -> Place:
        place = super().place(network)
        if self.predictor is None:
            return place
        predicted = float(self.predictor.predict([network])[0])
        below = 100 * float((self.predictions < predicted).mean())
        short = max(float(self.predictions.max()), predicted) - predicted
        if place.measured:
            return replace(place, predicted_percentile=below, predicted_regret=short)
        return Place(predicted, False, below, short, below, short)

    def read(self, name: str, folder: Path) -> FoundNetwork[Architecture, Probabilities]:
        return read_found(name, folder, self.landscape)

    def text(self, network: Architecture) -> str:
        return to_text(network)

    def log_probabilities(self, p: Probabilities, networks: Sequence[Architecture]) -> Floats:
        return log_probabilities(p, networks)

    def searched(self) -> Sequence[Architecture]:
        # A hand-made network may have what the space does not search.
        return [network for network in self.scores if _is_searched(network)]

    def named(self) -> Mapping[str, Architecture]:
        hand_made = {name: network for network, name in self.names.items() if name in HAND_MADE}
        best, predicted = {f"best ({self.names[self.best]})": self.best}, self.best_predicted
        if predicted is not None:
            whole = len(self.predictions) == count_networks(self.landscape.space)
            best["best predicted" if whole else f"best predicted of {len(self.predictions)}"] = predicted
        return best | {name: hand_made[name] for name in HAND_MADE if name in hand_made}

    def differences(self, found: FoundNetwork[Architecture, Probabilities]) -> Sequence[str]:
        return differences(found, self.landscape)


@lru_cache(maxsize=2)
def _predicted(space: SpaceConfig, rows: tuple[Trained, ...]) -> tuple[Predictor | None, Floats, Architecture | None]:
    """The predictor that a table gives, what it says of the whole space, and the best network there by it.

    None of fewer than ``FEWEST`` networks.
    """
    networks, scores, trainings = table_of(rows)
    if len(networks) < FEWEST:
        return None, np.zeros(0), None
    predictor, whole = Predictor.of(space, networks, scores, trainings), whole_space(space)
    predictions = predictor.predict(whole)
    predictions.setflags(write=False)  # all that ask share them
    return predictor, predictions, whole[int(predictions.argmax())]


def _is_searched(network: Architecture) -> bool:
    try:
        network.to_sample()
    except InputError:
        return False
    return True
