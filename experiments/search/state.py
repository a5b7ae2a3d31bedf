"""What the monitor of a search looks at, whoever runs the search."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from nas_space.architecture import Architecture
from nas_space.expected_cost import Probabilities
from nas_space.space import JointSpace
from strategies.alive import LEVELS, Alive
from strategies.derive import derive_network
from strategies.parameters import ArchitectureParameters
from strategies.search_module import SearchModule


@dataclass(frozen=True)
class SearchState:
    """A search at one moment.

    Args:
        supernet: the mutated space.
        alive: the surviving candidates.
        probabilities: of every candidate, without gradient.
        architecture: the most probable network.
        derive: takes a network out of the super-network, weights included.
    """

    supernet: JointSpace
    alive: Alive
    probabilities: Probabilities
    architecture: Architecture
    derive: Callable[[Architecture], nn.Module]

    def entropies(self) -> dict[str, float]:
        """Sum of the choices' entropies of each level, in nats."""
        levels = zip(LEVELS, self.probabilities, strict=True)
        return {level: -float(torch.special.xlogy(p, p).sum()) for level, p in levels}


@torch.no_grad()
def state_of_search(search: nn.Module) -> SearchState:
    """The state of one of our searches."""
    assert isinstance(search, SearchModule)
    parameters, supernet = search.architecture_parameters, search.model
    assert isinstance(supernet, JointSpace) and isinstance(parameters, ArchitectureParameters)
    derive = partial(derive_network, supernet)
    return SearchState(supernet, parameters.alive, parameters.probabilities(), parameters.architecture(), derive)
