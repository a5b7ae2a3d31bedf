"""Where sampled networks come from: our sampler within bounds, and NNI's multi-trial strategies."""

import random
from collections.abc import Callable

import pytest

from experiments.search import samplers
from experiments.search.samplers import create_multi_trial, fits, run_multi_trial, sample_networks, shrink
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.enumeration import all_networks, count_networks
from nas_space.errors import InputError
from nas_space.expected_cost import counted_cost
from nas_space.space import JointSpace
from strategies.alive import Alive
from strategies.constraint import Bound, Constraint


def bound(limit: float, space: SpaceConfig, kind: str = "macs_total") -> Bound:
    return Bound("macs", counted_cost(space, kind, (32, 40), 3), limit)


def test_networks_differ_and_depend_on_the_seed(tiny: Callable[..., SpaceConfig]) -> None:
    networks = sample_networks(tiny(), 20, 0)
    assert len(set(networks)) == 20 and networks[:5] == sample_networks(tiny(), 5, 0) != sample_networks(tiny(), 5, 1)
    assert len(sample_networks(tiny(("depth",)), 20, 0)) == 6  # all there are


def test_a_small_space_gives_all_that_it_has(tiny: Callable[..., SpaceConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    """However few are drawn: the rest is looked through, and every asked-for number that exists comes."""
    space = tiny(("dilation", "pooling"))
    everything = list(all_networks(space))
    assert len(set(everything)) == len(everything) == count_networks(space) == 6**3
    many = sample_networks(space, 100, 0)
    monkeypatch.setattr(samplers, "DRAWS", 50)
    for asked in (215, 216, 10_000):
        found = sample_networks(space, asked, 0)
        assert len(set(found)) == min(asked, 216) == len(found) and found[:40] == many[:40]
    limit = sorted(bound(1.0, space).of(network) for network in everything)[99]
    constraint = Constraint([bound(limit, space)], space)
    fitting = {network for network in everything if fits(network, constraint)}
    assert set(sample_networks(space, 10_000, 0, constraint)) == fitting and len(fitting) >= 100
    monkeypatch.setattr(samplers, "SMALL", 10)
    assert len(sample_networks(space, 180, 0)) == 180  # a large space is drawn from as often as it takes
    deeper = tiny(("depth", "pooling"))
    assert count_networks(deeper) == len(set(all_networks(deeper)))


def test_bounds_reject_and_do_not_bend(tiny: Callable[..., SpaceConfig]) -> None:
    """A loose bound leaves out networks and changes none."""
    free = sample_networks(tiny(), 40, 0)
    limit = sorted(bound(1.0, tiny()).of(network) for network in free)[20]
    constraint = Constraint([bound(limit, tiny())], tiny())
    assert sample_networks(tiny(), 15, 0, constraint) == [network for network in free if fits(network, constraint)][:15]


@pytest.mark.parametrize(
    "search", [("dilation", "pooling", "width", "depth"), ("width",), ("depth",), ("pooling",)], ids=str
)
def test_shrinking_reaches_the_smallest_network_and_stops_early(
    search: tuple[str, ...], tiny: Callable[..., SpaceConfig]
) -> None:
    space = tiny(search)
    generator = random.Random(0)
    limit = bound(1.0, space).cost.cheapest(*Alive.full(space))
    tight, loose = Constraint([bound(limit, space)], space), Constraint([bound(1.5 * limit, space)], space)
    for _ in range(20):
        architecture = Architecture.random(space, generator)
        assert bound(1.0, space).of(shrink(architecture, tight, generator)) == limit
        result = shrink(architecture, loose, generator)
        assert fits(result, loose) and (result == architecture) == fits(architecture, loose)


@pytest.mark.parametrize("strategy", ["nni-random", "nni-evolution"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError])
def test_nni_swallows_nothing(strategy: str, error: type[BaseException], tiny: Callable[..., SpaceConfig]) -> None:
    asked: list[Architecture] = []

    def score(architecture: Architecture) -> float:
        asked.append(architecture)
        if len(asked) == 2:
            raise error("stop")
        return 0.5

    with pytest.raises(error):
        run_multi_trial(JointSpace(tiny(), 3), create_multi_trial(strategy, 4, 0), 4, score)
    assert len(asked) == 2


def test_evolution_evolves(tiny: Callable[..., SpaceConfig]) -> None:
    """Its later networks score higher than those of random search."""
    means = {}
    for strategy in ("nni-random", "nni-evolution"):
        scores: list[float] = []

        def score(architecture: Architecture, scores: list[float] = scores) -> float:
            scores.append(-bound(1.0, tiny()).of(architecture))
            return scores[-1]

        run_multi_trial(JointSpace(tiny(), 3), create_multi_trial(strategy, 60, 0), 60, score)
        assert len(scores) == 60
        means[strategy] = sum(scores[30:]) / 30
    assert means["nni-evolution"] > means["nni-random"]
