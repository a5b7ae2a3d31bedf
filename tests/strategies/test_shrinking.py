"""Level-based shrinking: the threshold, who may never leave, and what is written down about those who left."""

import itertools
import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.expected_cost import counted_cost
from strategies.alive import LEVELS, Alive
from strategies.parameters import ArchitectureParameters
from strategies.relaxation import DEAD, Relaxation, SigmoidNormalised, Softmax
from strategies.shrinking import LevelThreshold, list_removals, retaining_ratio


def search(
    space: SpaceConfig, seed: int, relaxation: Relaxation | None = None, scale: float = 2.0
) -> ArchitectureParameters:
    """Architecture parameters in the middle of a search."""
    parameters = ArchitectureParameters(space, relaxation or SigmoidNormalised(), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for logits in parameters.logits():
            logits.mul_(1000 * scale)
    return parameters


def shrink(parameters: ArchitectureParameters, h: float = 0.1) -> Alive:
    alive = parameters.alive
    return LevelThreshold(h).keep(parameters.ratios(), alive, 0.5).cascade(parameters.space)


def same(first: Alive, second: Alive) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# retaining ratio


@pytest.mark.parametrize("relaxation", [SigmoidNormalised(), Softmax()], ids=("sigmoid", "softmax"))
def test_ratio_is_the_activated_weight_over_the_best(relaxation: Relaxation) -> None:
    logits = 2 * torch.randn(3, 5, dtype=torch.float64)
    alive = torch.rand(3, 5) > 0.3
    alive[:, 0] = True
    activated = (logits.sigmoid() if isinstance(relaxation, SigmoidNormalised) else logits.exp()) * alive
    expected = activated / activated.amax(-1, keepdim=True)
    torch.testing.assert_close(
        retaining_ratio(relaxation.log_probabilities(logits, alive), alive), expected, rtol=1e-12, atol=0
    )


def test_ratio_of_the_dead_is_zero_and_of_the_best_one() -> None:
    log_p = torch.tensor([[-0.1, -3.0, DEAD], [-90.0, -100.0, DEAD]])
    alive = torch.tensor([[True, True, False], [True, True, False]])
    ratio = retaining_ratio(log_p, alive)
    assert (ratio[~alive] == 0).all() and (ratio.amax(-1) == 1).all()


def test_ratio_of_a_choice_without_survivors_is_zero() -> None:
    alive = torch.tensor([[False, False, False], [True, True, False]])
    ratio = retaining_ratio(SigmoidNormalised().log_probabilities(torch.zeros(2, 3), alive), alive)
    assert torch.equal(ratio, torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))


# threshold


def levels(ratio: Tensor) -> Alive:
    return Alive(ratio, ratio, ratio)


@pytest.mark.parametrize("h", [0.1, 0.05, 0.3, 0.5])
def test_the_threshold_is_inclusive(h: float) -> None:
    exactly = torch.tensor(h)
    ratio = torch.stack(
        (
            torch.tensor(1.0),
            exactly,
            torch.nextafter(exactly, torch.tensor(1.0)),
            torch.nextafter(exactly, torch.tensor(0.0)),
        )
    )
    kept = LevelThreshold(h).keep(levels(ratio[None]), levels(torch.ones(1, 4, dtype=torch.bool)), 0.5)
    for mask in kept:
        assert mask.tolist() == [[True, False, True, False]]


def test_the_threshold_does_not_revive() -> None:
    alive = torch.tensor([[True, False]])
    assert LevelThreshold(0.1).keep(levels(torch.ones(1, 2)), levels(alive), 0.5).depth.tolist() == [[True, False]]


@pytest.mark.parametrize("h", [0.0, 0.1, 0.999])
@pytest.mark.parametrize("seed", range(5))
def test_every_choice_keeps_its_winner(h: float, seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    parameters = search(tiny(), seed, scale=20.0)
    before = Alive(*(mask.clone() for mask in parameters.alive))
    kept = LevelThreshold(h).keep(parameters.ratios(), parameters.alive, 0.5)
    for mask, old, logits in zip(kept, before, parameters.logits(), strict=True):
        assert (mask.sum(-1) >= 1).all()
        winner = logits.masked_fill(~old, -1e9).argmax(-1, keepdim=True)
        assert mask.gather(-1, winner).all()


def test_ties_stay_together() -> None:
    kept = LevelThreshold(0.999).keep(
        levels(torch.tensor([[1.0, 1.0, 0.5]])), levels(torch.ones(1, 3, dtype=torch.bool)), 0.5
    )
    assert kept.width.tolist() == [[True, True, False]]


@pytest.mark.parametrize("seed", range(5))
def test_shrinking_is_idempotent(seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    parameters = search(tiny(), seed)
    first = shrink(parameters)
    assert not same(first, Alive.full(tiny()))
    parameters.set_alive(first)
    assert same(shrink(parameters), first)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_levels_does_not_matter(
    order: tuple[int, ...], seed: int, tiny: Callable[..., SpaceConfig]
) -> None:
    """Reference: one level after the other, the cascade after each, ratios computed anew each time."""
    parameters = search(tiny(), seed)
    expected = shrink(parameters)
    for level in order:
        masks = list(parameters.alive)
        masks[level] = masks[level] & (parameters.ratios()[level] > 0.1)
        parameters.set_alive(Alive(*masks).cascade(tiny()))
    assert same(parameters.alive, expected)


@pytest.mark.parametrize("seed", range(5))
def test_cost_never_rises(seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    """Of the largest network that is left: widest, deepest, in every layer the dearest operator."""
    space = tiny()
    parameters = search(space, seed)
    tables = [counted_cost(space, kind, (45, 61), 3) for kind in ("params", "macs_conv", "macs_total")]
    largest = [float("inf")] * 3
    sizes = []
    for h in (0.02, 0.1, 0.3, 0.6, 0.9):
        parameters.set_alive(shrink(parameters, h))
        width_3x1, width_1x3 = parameters.alive.width.unbind(2)
        alive = parameters.alive.operator[..., None, None] & width_3x1[..., :, None] & width_1x3[..., None, :]
        sizes.append([float((table.table * alive).flatten(1).amax(-1).sum()) for table in tables])
        assert all(now <= before + 1e-9 for now, before in zip(sizes[-1], largest, strict=True))
        largest = sizes[-1]
    assert all(last < first for last, first in zip(sizes[-1], sizes[0], strict=True))
    if parameters.alive.is_discrete():
        exact = cost(parameters.architecture(), (45, 61), 3).macs_total
        assert float(tables[-1].expected(parameters.probabilities()).detach()) == pytest.approx(exact, rel=1e-5)


# what is written down


def test_removals_name_label_candidate_ratio_and_rule(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    before = Alive.full(space)
    ratios = Alive(*(mask.float() for mask in before))
    ratios.depth[1, 1] = 0.05  # stage 2 loses depth 3: layers 2 and 3 follow
    ratios.operator[0, 4] = 0.1
    ratios.width[0, 4, 1, 2] = 0.02  # of the operator that goes anyway: still by threshold
    ratios.width[1, 0, 0, 1] = 0.03
    kept = LevelThreshold(0.1).keep(ratios, before, 0.5)
    removals = list_removals(space, before, kept, kept.cascade(space), ratios, 3, "threshold")
    by_threshold = {(r.level, r.label, r.candidate, round(r.ratio, 6)) for r in removals if r.rule == "threshold"}
    assert by_threshold == {
        ("depth", "stage2/depth", "3", 0.05),
        ("operator", "stage1/layer1/op", "d2s2", 0.1),
        ("width", "stage1/layer1/d2s2/width_1x3", "8", 0.02),
        ("width", "stage1/layer2/d1s1/width_3x1", "6", 0.03),
    }
    by_cascade = [r for r in removals if r.rule == "cascade"]
    assert len(by_threshold) + len(by_cascade) == len(removals)
    assert sum(r.level == "operator" for r in by_cascade) == 2 * 6
    assert sum(r.level == "width" for r in by_cascade) == 2 * 6 * 2 * 3 + 5
    assert {r.label.rsplit("/", 2)[0] for r in by_cascade if r.level == "width"} == {
        "stage2/layer2",
        "stage2/layer3",
        "stage1/layer1",
    }
    assert all(r.epoch == 3 for r in removals)
    assert len({(r.label, r.candidate) for r in removals}) == len(removals)


@pytest.mark.parametrize("seed", range(3))
def test_every_candidate_that_left_is_listed_once(seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    parameters = search(space, seed)
    listed: list[tuple[str, str]] = []
    for epoch, h in enumerate((0.05, 0.2, 0.999), start=1):
        before = Alive(*(mask.clone() for mask in parameters.alive))
        ratios = parameters.ratios()
        kept = LevelThreshold(h).keep(ratios, before, 0.5)
        after = kept.cascade(space)
        removals = list_removals(space, before, kept, after, ratios, epoch, "threshold")
        assert all(0 <= r.ratio <= 1 for r in removals)
        assert all(r.ratio <= h + 1e-6 for r in removals if r.rule == "threshold")
        assert all(r.level != "depth" for r in removals if r.rule == "cascade")
        listed += [(r.label, r.candidate) for r in removals]
        parameters.set_alive(after)
    full, left = Alive.full(space).counts(), parameters.alive.counts()
    assert len(set(listed)) == len(listed) == sum(full[level] - left[level] for level in LEVELS)


def test_nothing_left_nothing_listed(tiny: Callable[..., SpaceConfig]) -> None:
    alive = Alive.full(tiny())
    assert list_removals(tiny(), alive, alive, alive, alive, 1, "threshold") == []


def test_dropped_mass_is_bounded(tiny: Callable[..., SpaceConfig]) -> None:
    """What leaves a choice had at most (n-1)h / (1 + (n-1)h) of its mass (docs/method.md, equation 11)."""
    generator = random.Random(0)
    for seed in range(10):
        parameters, h = search(tiny(), seed), generator.choice((0.1, 0.3))
        kept = LevelThreshold(h).keep(parameters.ratios(), parameters.alive, 0.5)
        for p, mask, old in zip(parameters.probabilities(), kept, parameters.alive, strict=True):
            n = old.sum(-1)
            assert ((p.detach() * ~mask).sum(-1) <= (n - 1) * h / (1 + (n - 1) * h) + 1e-6).all()
