"""Random search at equal time: networks trained one by one for as long as a search takes; no table is asked."""

import random
import time
from collections.abc import Callable
from typing import Any

import torch

from experiments.examples.nas_bench.images import Batches, Images
from experiments.examples.nas_bench.options import NasBenchOptions
from experiments.examples.nas_bench.training import accuracy, train
from experiments.examples.nas_bench.worlds import World


def random_search(
    world: World,
    seed: int,
    images: Images,
    options: NasBenchOptions,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Train random networks on the half of the weights; the best on the other half is the choice.

    A network begins while there is time for one as long as the longest before; the first one always does.

    Args:
        world: where.
        seed: of networks, weights and batches.
        images: the first half trains, the second half scores.
        options: of the experiment.
        seconds: in all.
        clock: seconds since any moment.

    Returns:
        ``sample``, ``accuracy`` (held-out, in [0, 1]), ``trained`` (networks).
    """
    half, generator, begin, longest = len(images.labels) // 2, random.Random(seed), clock(), 0.0
    scores: dict[tuple[str, ...], float] = {}
    networks = len(next(iter(world.space.choices.values()))) ** len(world.space.choices)
    while not scores or (clock() - begin + longest <= seconds and len(scores) < networks):
        start = clock()
        network = tuple(generator.choice(candidates) for candidates in world.space.choices.values())
        if network in scores:
            continue
        torch.manual_seed(seed)
        built = world.make(options).freeze(world.space.to_sample(network))
        train(
            built,
            Batches(images.part(0, half), options.batch, options.steps, seed),
            options.random_epochs,
            options.device,
        )
        scores[network] = accuracy(built, images.part(half, 2 * half), options.device)
        longest = max(longest, clock() - start)
    best = max(scores, key=lambda network: scores[network])
    return {"sample": world.space.to_sample(best), "accuracy": scores[best], "trained": len(scores)}
