"""Where the networks of a multi-trial search come from: our uniform sampler, or NNI's multi-trial strategies."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
from nni.nas.experiment import NasExperimentConfig
from nni.nas.strategy import Random, RegularizedEvolution
from nni.nas.strategy.base import Strategy

from experiments.search.nni_experiment import ScoreEvaluator, local_experiment
from nas_space.architecture import Architecture, Layer
from nas_space.config import SpaceConfig
from nas_space.enumeration import all_networks, count_networks
from nas_space.space import JointSpace
from strategies.alive import Alive
from strategies.constraint import Constraint
from strategies.target import Target

DRAWS = 10_000
"""How many networks the sampler draws at most; new ones, or ones within the bounds, may be rare."""
SMALL = 50_000
"""A space with no more networks than this can be looked through."""


def fits(architecture: Architecture, constraint: Constraint | None) -> bool:
    """Whether a network keeps to every bound; without a constraint, it does."""
    return constraint is None or constraint.meets(architecture)


def sample_networks(
    space: SpaceConfig, count: int, seed: int, constraint: Constraint | None = None
) -> list[Architecture]:
    """Different networks, one or more, every choice uniform among its candidates, all within the bounds.

    Where ``DRAWS`` networks leave too few, the rest of a ``SMALL`` space is looked through; of a larger one, drawn
    networks are cut down until they fit.

    Args:
        space: the searched space.
        count: how many networks; fewer come where the space, or its part within the bounds, has no more.
        seed: of the draws.
        constraint: bounds on their cost.
    """
    generator = random.Random(f"{seed}")
    there_are = count_networks(space)
    # Without bounds every draw fits, and those that are new never become rare in a large space.
    draws = DRAWS if constraint is not None or there_are <= SMALL else DRAWS + 10 * count
    drawn = (Architecture.random(space, generator) for _ in range(draws))
    more = _others(space, count, constraint, generator, there_are <= SMALL)
    networks: dict[Architecture, None] = {}  # in the order in which they are drawn
    for architecture in chain((one for one in drawn if fits(one, constraint)), more):
        networks[architecture] = None
        if len(networks) == min(count, there_are):
            break
    return list(networks)


def _others(
    space: SpaceConfig, count: int, constraint: Constraint | None, generator: random.Random, is_small: bool
) -> Iterator[Architecture]:
    """What comes when the draws are spent: a small space's networks in any order, or networks that are cut down."""
    if is_small:
        everything = list(all_networks(space))
        generator.shuffle(everything)
        yield from (architecture for architecture in everything if fits(architecture, constraint))
    elif constraint is not None:
        for _ in range(10 * count):  # what is cut down far ends at the same few networks again and again
            architecture = reduced(Architecture.random(space, generator), constraint, generator)
            if architecture is not None:
                yield architecture


def reduced(architecture: Architecture, constraint: Constraint, generator: random.Random) -> Architecture | None:
    """A network near a drawn one that keeps to every bound, or meets the target; None where there is none."""
    if not isinstance(constraint, Target):
        return shrink(architecture, constraint, generator)
    full = Alive.full(architecture.space)
    draws = Alive(*(torch.tensor([generator.random() for _ in range(mask.numel())]).view(mask.shape) for mask in full))
    return constraint.within(architecture, full, draws)


def shrink(architecture: Architecture, constraint: Constraint, generator: random.Random) -> Architecture:
    """Resample single choices to cheaper candidates until the network keeps to every bound.

    The measure is the mean of the costs, each relative to its bound. Every step lowers it, down to the network for
    which the ``Constraint`` has made sure that it keeps to the bounds.

    Args:
        architecture: a network of the constraint's space.
        constraint: bounds on its cost.
        generator: draws what is cut, and to what.
    """
    space = architecture.space
    table = constraint.relative.table.cpu()  # (layers, operators, 3x1 widths, 1x3 widths)
    while not fits(architecture, constraint):
        changes: list[tuple[int, int, Any]] = []  # stage, layer, its cheaper places in the table; or stage, -1, depths
        row = 0
        for stage, layers in enumerate(architecture.stages):
            widths = space.width_candidates(stage)
            for j, layer in enumerate(layers):
                operator = space.operators.index((layer.dilation, layer.pooling))
                place = operator, widths.index(layer.width_3x1), widths.index(layer.width_1x3)
                costs = table[row + j, :, : len(widths), : len(widths)]  # the rest only fills up a stage with fewer
                cheaper = (costs < costs[place]).nonzero().tolist()
                if cheaper:
                    changes.append((stage, j, cheaper))
            smaller = [depth for depth in space.depth_candidates[stage] if depth < len(layers)]
            if smaller:
                changes.append((stage, -1, smaller))
            row += space.layers[stage]
        if not changes:
            raise ValueError("no network of the space is within the bounds")  # a Constraint does not let this happen
        stage, j, candidates = generator.choice(changes)
        changed = list(architecture.stages[stage])
        if j < 0:
            changed = changed[: generator.choice(candidates)]
        else:
            widths = space.width_candidates(stage)
            operator, first, second = map(int, generator.choice(candidates))
            changed[j] = Layer(*space.operators[operator], widths[first], widths[second])
        stages = tuple(tuple(changed) if i == stage else layers for i, layers in enumerate(architecture.stages))
        architecture = replace(architecture, stages=stages)
    return architecture


def create_multi_trial(name: str, count: int, seed: int) -> Strategy:
    """NNI's strategy ``nni-random`` or ``nni-evolution``, for ``count`` networks in all.

    Raises:
        ValueError: another name.
    """
    if name == "nni-random":
        return Random(dedup=True, seed=seed)
    if name != "nni-evolution":
        raise ValueError(f"{name} is no multi-trial strategy of NNI's")
    # NNI's defaults (population 100, tournaments of 25) would spend a budget of tens of networks on the random
    # beginning. So: half of the budget begins, the other half evolves, by the smallest tournaments that select at all.
    # A network uses about an eighth of the labels: at NNI's mutation rate of 0.05 every second child in the compact
    # space would be its parent again.
    population = max(2, count // 2)
    return RegularizedEvolution(population_size=population, sample_size=2, mutation_prob=0.1, dedup=True, seed=seed)


def run_multi_trial(space: JointSpace, strategy: Strategy, count: int, score: Callable[[Architecture], float]) -> None:
    """Let a multi-trial strategy of NNI's explore the space in this process, one network after the other.

    Args:
        space: the space; its weights are not used.
        strategy: a new one.
        count: networks that it may ask for.
        score: called for every network; higher is better. Its exceptions come out of here.
    """
    config = NasExperimentConfig("sequential", "simplified", "local")
    config.trial_concurrency, config.max_trial_number = 1, count
    with local_experiment(space, ScoreEvaluator(space.config, score), strategy, config) as experiment:
        experiment.start()  # to the end, in this thread; unlike run(), it lets an interrupt through
