"""Survivors: the cascade case by case (docs/method.md), labels, and masks of single networks."""

import random
from collections.abc import Callable

import pytest
import torch

from nas_space.architecture import Architecture
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.space import JointSpace
from strategies.alive import LEVELS, Alive, candidate_labels


def gone(before: Alive, after: Alive) -> dict[str, set[tuple[int, ...]]]:
    """Indices that left, a set for each level."""
    return {
        level: {tuple(index) for index in (old & ~new).nonzero().tolist()}
        for level, old, new in zip(LEVELS, before, after, strict=True)
    }


def copy(alive: Alive) -> Alive:
    return Alive(*(mask.clone() for mask in alive))


def test_full_has_every_candidate_of_the_paper() -> None:
    alive = Alive.full(SpaceConfig.paper())
    assert alive.counts() == {"depth": 10, "operator": 170, "width": 3060}
    assert [tuple(mask.shape) for mask in alive] == [(2, 5), (17, 10), (17, 10, 2, 9)]


def test_a_stage_with_fewer_depths_has_no_candidates_to_spare(tiny: Callable[..., SpaceConfig]) -> None:
    assert Alive.full(tiny()).depth.tolist() == [[True, True, True], [True, True, False]]


def test_nothing_removed_nothing_cascades(tiny: Callable[..., SpaceConfig]) -> None:
    full = Alive.full(tiny())
    assert not any(gone(full, full.cascade(tiny())).values())


@pytest.mark.parametrize(
    ("stage", "dropped", "layers"),
    [
        (0, [2], {2}),  # the deepest: layer 3 goes
        (0, [1, 2], {1, 2}),
        (0, [0], set()),  # any other: nothing else goes
        (0, [1], set()),
        (0, [0, 1], set()),
        (1, [1], {4, 5}),  # depths 1 and 3: both layers between go
        (1, [0], set()),
    ],
)
def test_a_depth_candidate_takes_its_layers_along(
    stage: int, dropped: list[int], layers: set[int], tiny: Callable[..., SpaceConfig]
) -> None:
    full = Alive.full(tiny())
    kept = copy(full)
    kept.depth[stage, dropped] = False
    left = gone(kept, kept.cascade(tiny()))
    operators, widths = len(tiny().operators), 3
    assert left["depth"] == set()
    assert left["operator"] == {(layer, o) for layer in layers for o in range(operators)}
    assert left["width"] == {
        (layer, o, c, k) for layer in layers for o in range(operators) for c in (0, 1) for k in range(widths)
    }


def test_an_operator_takes_its_own_widths_along(tiny: Callable[..., SpaceConfig]) -> None:
    kept = Alive.full(tiny())
    kept.operator[1, 2] = False
    left = gone(kept, kept.cascade(tiny()))
    assert left == {"depth": set(), "operator": set(), "width": {(1, 2, c, k) for c in (0, 1) for k in range(3)}}


@pytest.mark.parametrize("k", range(3))
def test_a_width_takes_nothing_along(k: int, tiny: Callable[..., SpaceConfig]) -> None:
    kept = Alive.full(tiny())
    kept.width[1, 2, 0, k] = False
    assert not any(gone(kept, kept.cascade(tiny())).values())


def test_cascading_is_idempotent_and_never_revives(tiny: Callable[..., SpaceConfig]) -> None:
    space, full = tiny(), Alive.full(tiny())
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        kept = Alive(*(mask & (torch.rand(mask.shape, generator=generator) > 0.5) for mask in full))
        kept.depth[:, 0] = True
        once = kept.cascade(space)
        assert all(torch.equal(a, b) for a, b in zip(once, once.cascade(space), strict=True))
        assert not any((new & ~old).any() for new, old in zip(once, kept, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_only_is_one_survivor_in_every_choice_of_the_network(seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    architecture = Architecture.random(space, random.Random(seed))
    alive = Alive.only(architecture)
    layers = sum(map(len, architecture.stages))
    assert alive.counts() == {"depth": 2, "operator": layers, "width": 2 * layers}
    assert alive.is_discrete()
    assert all(torch.equal(a, b) for a, b in zip(alive, alive.cascade(space), strict=True))
    labels = candidate_labels(space)
    survivors = {
        label: candidate
        for level, mask in zip(LEVELS, alive, strict=True)
        for label, candidate, i in labels[level]
        if mask[i]
    }
    sample = {label: str(value) for label, value in architecture.to_sample().items()}
    assert all(sample[label] == candidate for label, candidate in survivors.items())


def test_discrete_only_when_every_choice_is(tiny: Callable[..., SpaceConfig]) -> None:
    alive = Alive.only(Architecture.random(tiny(), random.Random(0)))
    for level in LEVELS:
        more = copy(alive)
        mask = getattr(more, level)
        row = tuple(mask.any(-1).nonzero()[0].tolist())
        mask[row] = True
        assert not more.is_discrete()


def test_and(tiny: Callable[..., SpaceConfig]) -> None:
    first, second = (Alive.only(Architecture.random(tiny(), random.Random(seed))) for seed in (0, 1))
    both = first & second
    assert all(torch.equal(both[i], first[i] & second[i]) for i in range(3))


@pytest.mark.parametrize("search", [("depth",), ("width",), ("dilation", "pooling"), DIMENSIONS], ids=str)
def test_labels_are_the_spaces(search: tuple[str, ...], tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(search)
    table: dict[str, list[str]] = {}
    places = set()
    for level, entries in candidate_labels(space).items():
        for label, candidate, index in entries:
            table.setdefault(label, []).append(candidate)
            places.add((level, index))
    mutables = JointSpace(space, 3).simplify()
    chosen = {label: candidates for label, candidates in table.items() if len(candidates) > 1}
    assert chosen == {label: [str(value) for value in mutable.values] for label, mutable in mutables.items()}
    full = Alive.full(space)
    assert places == {
        (level, tuple(i)) for level, mask in zip(LEVELS, full, strict=True) for i in mask.nonzero().tolist()
    }
