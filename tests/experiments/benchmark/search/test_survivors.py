"""Random survivors: about the asked share, nested, and always a space that can be searched on."""

import pytest

from experiments.benchmark.search.survivors import random_survivors
from nas_space.config import SpaceConfig
from strategies.alive import Alive


@pytest.mark.parametrize("share", [0.5, 0.25, 0.1])
def test_the_share(share: float) -> None:
    space = SpaceConfig.paper()
    total, alive = sum(Alive.full(space).counts().values()), random_survivors(space, share, 0)
    assert (
        0.85 * share * total <= sum(alive.counts().values()) <= share * total
    )  # an operator that leaves takes its widths along
    cascaded = alive.cascade(space)
    assert all(bool((mine == theirs).all()) for mine, theirs in zip(alive, cascaded, strict=True))
    assert bool((alive.depth.sum(-1) >= 1).all())
    exists = alive.operator.any(-1)
    assert bool((alive.width.any(-1).all(-1) == alive.operator).all()) and int(exists.sum()) >= 9


def test_all_nested_and_repeatable() -> None:
    space = SpaceConfig.compact()
    everything, full = random_survivors(space, 1.0, 3), Alive.full(space)
    assert all(bool((mine == theirs).all()) for mine, theirs in zip(everything, full, strict=True))
    larger = everything
    for share in (0.5, 0.25, 0.1):
        smaller, again = random_survivors(space, share, 3), random_survivors(space, share, 3)
        assert all(bool((mine == theirs).all()) for mine, theirs in zip(smaller, again, strict=True))
        assert all(bool((mine <= theirs).all()) for mine, theirs in zip(smaller, larger, strict=True))
        larger = smaller
