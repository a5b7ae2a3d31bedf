"""The data check of a fit: what is wrong stops it, and what is there is a part of its plan."""

import time
from collections import Counter
from dataclasses import replace

from experiments.data.inspection import inspect
from experiments.data.source import survey
from experiments.fit.facts import Facts
from experiments.fit.options import AUTO, FitOptions
from experiments.options.groups import DataOptions
from experiments.search.few_steps import need_of
from experiments.training.few_steps import FEWEST
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from strategies.method import MethodOptions
from strategies.registry import create_strategy

LEAST_IMAGES = 5
"""Of training: a batch of two is left when the race has held out one."""


def sized(options: FitOptions, size: str, batch: int) -> DataOptions:
    """The data set as searches and trainings read it."""
    return replace(options.photos(), size=size, batch=batch)


def look(options: FitOptions, space: SpaceConfig) -> Facts:
    """Read every photo and label once.

    Args:
        options: checked options.
        space: one that may be searched.

    Raises:
        InputError: something stops training, or there are too few images.
    """
    size = DataOptions().size if options.size == AUTO else options.size
    data = sized(options, size, options.data.batch)
    source = survey(data)
    start = time.perf_counter()
    result = inspect(source, data)
    # Sizes of classes depend on the image size, which a plan chooses: the searches check that at theirs.
    stopping = [one for one in result.problems if one.stops]
    if stopping:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in Counter(one.kind for one in stopping).items())
        place = options.source or f"--data.name {options.data.name}"
        raise InputError(
            f"{source.name}: not usable: {kinds}; first: {stopping[0]}; ssr-nas data check {place} lists all"
        )
    train, val = (result.splits[split] for split in ("train", "val"))
    seconds = (time.perf_counter() - start) / max(sum(map(len, source.splits.values())), 1)
    if len(train.sizes) < LEAST_IMAGES:
        raise InputError(f"{source.name}: {len(train.sizes)} training images are too few; give at least {LEAST_IMAGES}")
    side = train.sizes[len(train.sizes) // 2]
    composition = create_strategy("ssr", MethodOptions(), options.seed).composition
    steps = max(need_of(composition, sum(space.layers), len(space.operators)).steps, FEWEST)
    return Facts(len(train.sizes), len(val.sizes), side, len(source.classes), seconds, round(steps))
