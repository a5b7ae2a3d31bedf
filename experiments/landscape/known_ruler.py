"""A benchmark's table as a ruler: every network is measured, none is predicted."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from experiments.landscape.known_probabilities import KnownProbabilities, read_known_probabilities
from experiments.landscape.known_space import KnownNetwork
from experiments.landscape.known_table import KnownTable, scores_of
from experiments.landscape.ruler import DIGITS, FLOOR, FoundNetwork, Ruler, group_of
from experiments.landscape.truth import Floats
from experiments.runs.folder import read_summary
from nas_space.errors import InputError


class KnownRuler(Ruler[KnownNetwork, KnownProbabilities]):
    """A benchmark's table as a ruler for networks of its space.

    Args:
        table: the table.
    """

    def __init__(self, table: KnownTable) -> None:
        scores = scores_of(table)
        super().__init__(table.name, "accuracy", scores, scores)
        self.space = table.space
        self._trainings = sum(map(len, table.trainings.values()))

    @cached_property
    def quality(self) -> dict[str, Any]:
        return {"networks": len(self.scores), "trainings": self._trainings}

    def worth(self) -> str:
        return f"landscape {self.name}: all {len(self.scores)} networks of {self.space.name}, trained by others"

    def read(self, name: str, folder: Path) -> FoundNetwork[KnownNetwork, KnownProbabilities]:
        file = folder / "search.json"
        summary = read_summary(file, ("strategy", "seed"))
        if summary.get("world") != self.space.name:
            world = summary.get("world", "our own")
            raise InputError(
                f"{folder}: its space is {world}, and the landscape {self.name} is of {self.space.name}; "
                "search in the landscape's space, or give another --landscape"
            )
        try:
            network = self.space.from_sample(summary["sample"])
        except (InputError, KeyError, TypeError) as error:
            raise InputError(f"{file}: {error}; remove the file and repeat the search") from None
        read = read_known_probabilities(folder, self.space)
        epochs, probabilities = ((), None) if read is None else read
        strategy = str(summary["strategy"])
        group = group_of(name, summary["seed"])
        return FoundNetwork(name, strategy, group, network, epochs, probabilities, {})

    def text(self, network: KnownNetwork) -> str:
        return self.space.write(network)

    def log_probabilities(self, p: KnownProbabilities, networks: Sequence[KnownNetwork]) -> Floats:
        total = np.zeros((len(next(iter(p.values()))), len(networks)))
        for place, (label, candidates) in enumerate(self.space.choices.items()):
            chosen = [candidates.index(network[place]) for network in networks]
            total += np.log(p[label].clip(min=FLOOR))[:, chosen]
        return total.round(DIGITS)
