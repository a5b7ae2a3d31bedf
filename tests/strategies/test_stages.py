"""What fills up a choice with fewer candidates than others: never a probability, a gradient, a share or a count."""

from collections.abc import Callable

import pytest
import torch

from nas_space.config import SpaceConfig
from nas_space.expected_cost import counted_cost
from strategies import regularizers
from strategies.alive import Alive, candidate_labels
from strategies.forced import GloballyLowest, GreedyDecisions, Stages
from strategies.parameters import ArchitectureParameters
from strategies.relaxation import GumbelSoftmax, IndependentSigmoids, Relaxation, SigmoidNormalised, Softmax
from strategies.shrinking import LevelThreshold, Shrinking

Deep = Callable[..., SpaceConfig]
RELAXATIONS = (SigmoidNormalised(), Softmax(), GumbelSoftmax(), IndependentSigmoids())
REGULARIZERS = ("ssr", "information_entropy", "zero_one_l1", "zero_one_l2", "none")
RULES = (lambda: LevelThreshold(0.999999), Stages, lambda: GloballyLowest(0.1), lambda: GreedyDecisions(0.1, 2))


def parameters(space: SpaceConfig, relaxation: Relaxation) -> ArchitectureParameters:
    """With logits that differ, and large ones in the places that fill up."""
    made = ArchitectureParameters(space, relaxation, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for logits, mask in zip(made.logits(), Alive.full(space), strict=True):
            logits.mul_(1000).masked_fill_(~mask, 50.0)
    return made


def test_masks_count_what_the_space_says(deep: Deep) -> None:
    space = deep(4)
    alive = Alive.full(space)
    assert alive.width.shape[-1] == 5
    assert alive.width.sum(-1)[:, 0, 0].tolist() == [2, 2, 5, 5, 5, 1, 1, 3, 3]
    counts = {level: len(entries) for level, entries in candidate_labels(space).items()}
    assert alive.counts() == counts
    assert all(
        bool(mask[index]) for mask, e in zip(alive, candidate_labels(space).values(), strict=True) for *_, index in e
    )
    assert alive.cascade(space).counts() == counts


@pytest.mark.parametrize("relaxation", RELAXATIONS, ids=lambda relaxation: type(relaxation).__name__)
def test_no_probability_weight_entropy_or_gradient(relaxation: Relaxation, deep: Deep) -> None:
    space = deep(4)
    made, full = parameters(space, relaxation), Alive.full(space)
    for p, mask in zip(made.probabilities(), full, strict=True):
        assert not p[~mask].any()
        torch.testing.assert_close(p.sum(-1), mask.any(-1).float())
    made.refresh()
    channels = [[tuple(m.shape) for m in made.layer_weights(row).mask_3x1] for row in range(sum(space.layers))]
    assert channels == [
        [(width,)] * 6 for width, count in zip(space.widths, space.layers, strict=True) for _ in range(count)
    ]
    weights = [w for row in range(sum(space.layers)) for group in made.layer_weights(row) for w in group]
    depth = [w for stage in space.stages for w in made.depth_weights(stage)]
    cost = counted_cost(space, "macs_total", (64, 64), 3).expected(made.probabilities())
    loss = sum(w.square().sum() for w in (*weights, *depth)) + sum(made.entropies().values()) + cost.float() / 1e6
    for name in REGULARIZERS:
        levels = zip(made.log_probabilities(), made.logits(), made.alive, strict=True)
        loss = loss + sum(getattr(regularizers, name)(*level).sum() for level in levels)
    loss.backward()
    for logits, mask in zip(made.logits(), full, strict=True):
        assert logits.grad is not None and torch.isfinite(logits.grad).all()
        assert not logits.grad[~mask].any() and logits.grad[mask].any()


def test_no_share_of_regularizers_and_entropy(deep: Deep) -> None:
    """They are what they are without the places that fill up, and those do not move when logits are rescaled."""
    space = deep(4)
    made, full = parameters(space, SigmoidNormalised()), Alive.full(space)
    before = [getattr(regularizers, name)(*level).sum() for name in REGULARIZERS for level in _levels(made)]
    entropies = list(made.entropies().values())
    with torch.no_grad():
        for logits, mask in zip(made.logits(), full, strict=True):
            logits.masked_fill_(~mask, -50.0)
    after = [getattr(regularizers, name)(*level).sum() for name in REGULARIZERS for level in _levels(made)]
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(list(made.entropies().values()), entropies)
    made.rescale()
    assert all(bool((logits[~mask] == -50.0).all()) for logits, mask in zip(made.logits(), full, strict=True))


def _levels(made: ArchitectureParameters) -> list[tuple[torch.Tensor, ...]]:
    return list(zip(made.log_probabilities(), made.logits(), made.alive, strict=True))


@pytest.mark.parametrize("make", RULES, ids=("threshold", "stage", "lowest", "decision"))
def test_rules_of_removal_keep_to_the_candidates(make: Callable[[], Shrinking], deep: Deep) -> None:
    space = deep(4)
    made, rule = parameters(space, SigmoidNormalised()), make()
    full = Alive.full(space)
    rule.start(full)
    for progress in (0.4, 0.7, 1.0):
        alive = rule.keep(made.ratios(), made.alive, progress).cascade(space)
        assert all(bool((mask <= old).all()) for mask, old in zip(alive, full, strict=True))
        made.set_alive(alive)
        assert Alive.only(made.architecture()).counts()["depth"] == 4
    assert alive.is_discrete()
    assert all(mask.equal(only) for mask, only in zip(alive, Alive.only(made.architecture()), strict=True))
