"""What a landscape trains: its networks, and the order of the trainings."""

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.landscape.options import LandscapeOptions
from experiments.landscape.table import HAND_MADE
from experiments.search.samplers import sample_networks
from nas_space.architecture import Architecture
from nas_space.scaling import REFERENCES

DRAW = 0
"""Seed of the draws: every landscape of a space has the same networks, and a larger one keeps the first."""


@dataclass(frozen=True)
class Planned:
    """A training: a network by name, and its seed."""

    name: str
    architecture: Architecture
    seed: int


def planned_networks(options: LandscapeOptions) -> dict[str, Architecture]:
    """The networks by name: the hand-made ones, and different random ones beside them.

    Args:
        options: checked options; where the space has fewer networks than they ask for, all of them come.
    """
    space = options.space.resolve()
    networks: dict[str, Architecture] = {}
    for name in HAND_MADE:
        network = REFERENCES[name](space)
        if network not in networks.values():  # both are the same where no dilation is a candidate
            networks[name] = network
    drawn = sample_networks(space, options.network_count + len(networks), DRAW)
    others = [network for network in drawn if network not in networks.values()][: options.network_count]
    return networks | {f"random-{number}": network for number, network in enumerate(others)}


def planned_trainings(options: LandscapeOptions, networks: Mapping[str, Architecture]) -> list[Planned]:
    """Seed by seed: a table that is not complete holds all networks with the first seed before any with the next."""
    return [Planned(name, network, seed) for seed in options.seed_list for name, network in networks.items()]
