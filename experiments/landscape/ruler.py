"""What tells where the choices of searches stand, whether our own landscape or a benchmark's table."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from experiments.landscape.truth import Floats, rank_correlation

NetworkT = TypeVar("NetworkT")
ProbabilitiesT = TypeVar("ProbabilitiesT")
FLOOR = 1e-6
"""What a removed candidate counts as: networks that hold one are ranked by how many they hold."""
DIGITS = 9
"""Behind the point of a logarithm: networks that differ by rounding errors are equally probable."""


@dataclass(frozen=True)
class FoundNetwork(Generic[NetworkT, ProbabilitiesT]):
    """What a search has found.

    Args:
        name: of the run, different from those of the others.
        strategy: of the search.
        group: what its mean is taken with: ``<group>`` of ``<group>-<seed>``. None until ``groups.grouped`` has
            looked at the options of all.
        network: the found one.
        epochs: of ``probabilities``; empty without them.
        probabilities: of every choice, with the epochs as first axis; None where the run has none.
        data: its options ``data``, plain values.
        options: what decides its choice, plain values by key, such as ``method.ramp``; empty where nothing is known.
    """

    name: str
    strategy: str
    group: str | None
    network: NetworkT
    epochs: Sequence[int]
    probabilities: ProbabilitiesT | None
    data: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)


def group_of(name: str, seed: object) -> str | None:
    """``<group>`` of a run called ``<group>-<seed>``; None of another."""
    group = name.removesuffix(f"-{seed}")
    return None if group == name else group


@dataclass(frozen=True)
class Place:
    """Where a network stands.

    Args:
        score: in [0, 1]; None where it was not trained and too few others were to predict it.
        measured: whether it stands in the table; else it is predicted.
        percentile: percentage of the table's other random networks below it; of the whole space, where it is predicted.
        regret: best score of the table minus ``score``; of the space's predictions, where it is predicted.
        predicted_percentile: percentage of the whole space below its prediction.
        predicted_regret: best prediction in the whole space minus its prediction: no luck of the best training in it.
    """

    score: float | None
    measured: bool
    percentile: float | None
    regret: float | None
    predicted_percentile: float | None = None
    predicted_regret: float | None = None


class Ruler(ABC, Generic[NetworkT, ProbabilitiesT]):
    """The scores of many networks of one space, as a ruler for what searches of this space choose.

    Args:
        name: of the table.
        measure: what a score is, ``miou`` or ``accuracy``.
        scores: of each network of the table, in [0, 1]; at least one.
        sampled: the networks that nobody has chosen, which percentiles count.
    """

    def __init__(
        self, name: str, measure: str, scores: Mapping[NetworkT, float], sampled: Collection[NetworkT]
    ) -> None:
        self.name, self.measure, self.scores = name, measure, scores
        self.sampled = tuple(sampled)
        self._is_sampled = frozenset(sampled)
        self._sampled_scores = np.array([scores[network] for network in sampled])
        self.best = max(scores, key=lambda network: scores[network])

    @property
    @abstractmethod
    def quality(self) -> Mapping[str, Any]:
        """How far the table can be trusted: ``networks``, and rank correlations."""

    @abstractmethod
    def worth(self) -> str:
        """The quality in a line."""

    @abstractmethod
    def read(self, name: str, folder: Path) -> FoundNetwork[NetworkT, ProbabilitiesT]:
        """What the search in a folder has found.

        Raises:
            InputError: a file is missing or damaged, or the search had another space.
        """

    @abstractmethod
    def text(self, network: NetworkT) -> str:
        """The network as the table writes it."""

    @abstractmethod
    def log_probabilities(self, p: ProbabilitiesT, networks: Sequence[NetworkT]) -> Floats:
        """Logarithm of each network's probability, the sum over its choices, ``(epochs, networks)``."""

    def searched(self) -> Sequence[NetworkT]:
        """The networks of the table that a search can find."""
        return list(self.scores)

    def named(self) -> Mapping[str, NetworkT]:
        """The networks that stand in every comparison, by name: the best one first."""
        return {"best": self.best}

    def differences(self, found: FoundNetwork[NetworkT, ProbabilitiesT]) -> Sequence[str]:
        """With what, in words, the search and the table differ that decides what is true."""
        return ()

    def place(self, network: NetworkT) -> Place:
        """Where a network of the space stands."""
        score = self.scores.get(network)
        if score is None:
            return Place(None, False, None, None)
        others = len(self.sampled) - (network in self._is_sampled)
        percentile = 100 * int((self._sampled_scores < score).sum()) / others if others else None
        return Place(score, True, percentile, self.scores[self.best] - score)

    def correlations(self, p: ProbabilitiesT) -> list[float | None]:
        """Rank correlation of the networks' probabilities with their scores, for each epoch.

        Args:
            p: probabilities with the epochs as first axis.
        """
        networks = self.searched()
        scores = np.array([self.scores[network] for network in networks])
        return [rank_correlation(row, scores) for row in self.log_probabilities(p, networks)]

    def fixed_rows(self) -> list[dict[str, Any]]:
        """Rows of the table that stand in every comparison: those of ``named``, and the random mean."""
        rows = [self.row(name, network) for name, network in self.named().items()]
        if self.sampled:
            mean = float(self._sampled_scores.mean())
            row = {"network": f"random (mean of {len(self.sampled)})", self.measure: 100 * mean, "score": "measured"}
            row |= {"percentile": 100 * float((self._sampled_scores < mean).mean())}
            row["regret"] = 100 * (self.scores[self.best] - mean)
            rows.append(row)
        return rows

    def row(self, name: str, network: NetworkT, more: Mapping[str, Any] = {}) -> dict[str, Any]:
        """A row of the table; scores and regrets in percent and points."""
        place = self.place(network)
        row: dict[str, Any] = {"network": name, self.measure: _percent(place.score)}
        row["score"] = "measured" if place.measured else None if place.score is None else "predicted"
        row |= {"percentile": place.percentile, "regret": _percent(place.regret)}
        row |= {
            "predicted_percentile": place.predicted_percentile,
            "predicted_regret": _percent(place.predicted_regret),
        }
        return {**row, **more, "architecture": self.text(network)}


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
