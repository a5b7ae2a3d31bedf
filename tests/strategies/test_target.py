"""A target of cost: pressure to both sides, the guard on both sides, and the cut of an undecided network."""

import re
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import nni.nas.strategy  # noqa: F401  # first: NNI's circular import leaves its own strategies as stubs otherwise
import pytest
import torch

from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities, counted_cost
from strategies.alive import Alive
from strategies.constraint import Bound
from strategies.parameters import ArchitectureParameters
from strategies.regularizers import ssr
from strategies.relaxation import SigmoidNormalised
from strategies.search_module import SearchModule
from strategies.target import FLOOR, Target
from tests.strategies.test_constraint import (
    SIZE,
    best_of,
    bound,
    contains,
    drawn,
    extreme,
    networks,
    of,
    same,
    search,
    small,
)


def target(space: SpaceConfig, key: str, share: float, bounds: tuple[Bound, ...] = ()) -> Target:
    """A target between the smallest network (0) and the largest (1)."""
    least, most = of(extreme(space, False), key), of(extreme(space, True), key)
    return Target(bound(space, key, least + share * (most - least)), bounds, space)


def detached(parameters: ArchitectureParameters) -> Probabilities:
    return Probabilities(*(level.detach() for level in parameters.probabilities()))


@pytest.mark.parametrize("key", ["macs", "params"])
@pytest.mark.parametrize(("share", "rises"), [(0.05, False), (0.95, True)])
def test_the_pressure_has_a_sign(key: str, share: float, rises: bool, tiny: Callable[..., SpaceConfig]) -> None:
    """Descent makes the expected cost grow below the target, and fall above it; every width choice takes part."""
    space = tiny()
    parameters, goal = search(space, 0, scale=0.001), target(space, key, share)
    cost = counted_cost(space, {"macs": "macs_total", "params": "params"}[key], SIZE, 5)
    assert not float(goal.dual)
    goal.ascend(detached(parameters), 0.01)
    assert (float(goal.dual) < 0) == rises
    before = float(cost.expected(detached(parameters)))
    gradients = torch.autograd.grad(goal.penalty(parameters.probabilities()), parameters.logits())
    assert all(float(gradient.abs().amax(-1).min()) > 1e-3 for gradient in (gradients[0], gradients[2]))
    with torch.no_grad():
        for logits, gradient in zip(parameters.logits(), gradients, strict=True):
            logits -= 0.1 * gradient.sign()
    assert (float(cost.expected(detached(parameters))) > before) == rises


def test_no_pressure_inside_of_the_aim(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    parameters = search(space, 0, scale=0.001)
    cost = counted_cost(space, "params", SIZE, 5)
    goal = Target(Bound("params", cost, float(cost.expected(detached(parameters))) / 0.97), (), space)
    goal.ascend(detached(parameters), 0.01)
    assert float(goal.dual) == 0.0


def test_a_checkpoint_brings_pressure_and_goal_back(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    parameters, goal, fresh = search(space, 0), target(space, "macs", 0.9), target(space, "macs", 0.9)
    alive = parameters.alive
    goal.guard(alive, alive, parameters.ratios())
    goal.ascend(detached(parameters), 0.1)
    fresh.load_state_dict(goal.state_dict())
    penalties = [float(one.penalty(parameters.probabilities()).detach()) for one in (goal, fresh)]
    assert penalties[0] == penalties[1] != 0.0


@pytest.mark.parametrize("key", ["macs", "params"])
@pytest.mark.parametrize("searched", [DIMENSIONS, ("width",), ("pooling", "depth")], ids=str)
def test_targets_that_no_network_reaches(key: str, searched: tuple[str, ...], tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(searched)
    least, most = of(extreme(space, False), key), of(extreme(space, True), key)
    span = re.escape(f"have {least:,.0f} to {most:,.0f}")
    for value, side in ((least - 1, "below the smallest"), (most + 1, "above the largest")):
        with pytest.raises(InputError, match=f"^target.{key}: .*{side} network's.*{span}"):
            Target(bound(space, key, value), (), space)
    Target(bound(space, key, least), (), space)
    Target(bound(space, key, most), (), space)


def test_a_target_between_the_networks_of_a_coarse_space() -> None:
    space = small(("depth",))
    costs = sorted(of(network, "macs") for network in networks(space, Alive.full(space)))
    between = next(0.99 * high for low, high in pairwise(costs) if low < 0.9 * high)
    with pytest.raises(InputError, match="no network of the space costs from 0.93 to 1 times .* the nearest have"):
        Target(bound(space, "macs", between), (), space)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_epoch_after_epoch_the_band_stays_within_reach(seed: int, share: float) -> None:
    """Removals at random, each guarded, until every choice is decided: the network that is left meets the target."""
    space = small()
    goal, alive = target(space, "params", share), Alive.full(space)
    for epoch in range(30):
        ratios = drawn(alive, 100 * seed + epoch)
        after = goal.guard(alive, alive & Alive(*(ratio > 0.5 for ratio in ratios)), ratios).cascade(space)
        assert contains(alive, after) and goal.met(after)
        alive = after
    ratios = drawn(alive, seed)
    best = best_of(space, alive, ratios)
    found = goal.within(best, alive, ratios)
    assert FLOOR * goal.target.limit <= of(found, "params") <= goal.target.limit
    assert contains(alive, Alive.only(found)) and (found == best) == goal.meets(best)


def test_the_guard_keeps_the_largest_too() -> None:
    """Without it the widest and deepest candidates would leave, and nothing would reach the target from below."""
    space = small()
    goal, full = target(space, "macs", 1.0), Alive.full(space)
    selected, ratios = Alive.only(extreme(space, False)), drawn(full, 0)
    guarded = goal.guard(full, selected, ratios)
    assert not goal.met(selected) and goal.met(guarded.cascade(space)) and contains(guarded, selected)
    assert same(goal.guard(full, full, ratios), full)


def test_another_bounded_cost_is_kept_to(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    params = bound(space, "params", of(extreme(space, False), "params") * 1.5)
    goal, full = target(space, "macs", 0.25, (params,)), Alive.full(space)
    ratios = Alive(*(torch.linspace(0.1, 1.0, mask.shape[-1]) * mask for mask in full))  # the dearest is the likeliest
    found = goal.within(extreme(space, True), full, ratios)
    assert of(found, "params") <= params.limit
    report = goal.report(found)
    assert report["target"]["macs"]["met"] and FLOOR <= report["target"]["macs"]["ratio"] <= 1.0
    assert report["constraint"] == {"params": {"limit": params.limit, "found": of(found, "params"), "met": True}}


@pytest.fixture(scope="module")
def tight() -> Target:
    """Both costs meet in few networks, a combination that random trials found."""
    space = SpaceConfig.compact()
    macs, params = (counted_cost(space, kind, SIZE, 9) for kind in ("macs_total", "params"))
    return Target(Bound("macs", macs, 8_693_134.08), (Bound("params", params, 51_533.27),), space)


def peaked(alive: Alive, seed: int, sharpness: float) -> Alive:
    """Ratios of very uneven probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits = [sharpness * torch.randn(mask.shape, generator=generator).masked_fill(~mask, -1e9) for mask in alive]
    return Alive(*((x - x.amax(-1, keepdim=True)).exp() * m for x, m in zip(logits, alive, strict=True)))


@pytest.mark.parametrize("sharpness", [5.0, 20.0])
def test_a_tight_bound_is_kept_to_whatever_is_probable(sharpness: float, tight: Target) -> None:
    full = Alive.full(tight.space)
    for seed in range(2):
        ratios = peaked(full, seed, sharpness)
        best = best_of(tight.space, full, ratios)
        assert tight.meets(tight.within(best, full, ratios))
        kept = tight.guard(full, Alive.only(best), ratios).cascade(tight.space)
        assert not same(kept, full)  # the removal was not given up
        assert tight.met(kept) and tight.meets(tight.within(best, kept, ratios))


def test_the_network_that_is_known_comes_last(tight: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no price finds one: at first that of the whole space, later that of the last guard."""
    space, full = tight.space, Alive.full(tight.space)
    goal, other = (Target(tight.target, tight.bounds[1:], space) for _ in range(2))
    known = goal.within(extreme(space, True), full, Alive(*(mask.float() for mask in full)))
    monkeypatch.setattr("strategies.target.PRICES", (0.0,))
    ratios = peaked(full, 0, 20.0)
    best = best_of(space, full, ratios)
    assert goal.within(best, full, ratios) == known
    kept = goal.guard(full, Alive.only(best), ratios).cascade(space)
    assert contains(kept, Alive.only(known)) and not same(kept, full)
    other.load_state_dict(goal.state_dict())
    assert other.within(best, kept, ratios) == known


def test_a_bound_beside_a_target_is_refused_by_its_own_range() -> None:
    space = small()
    least = of(extreme(space, False), "params")
    with pytest.raises(InputError, match=f"^constraint.params: .* networks of the space have {least:,.0f} to "):
        target(space, "macs", 0.5, (bound(space, "params", least - 1),))


@pytest.mark.parametrize("searched", [DIMENSIONS, ("dilation", "pooling", "depth")], ids=str)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_regularizer_and_the_pressure_decide_inside_of_the_band(
    share: float, searched: tuple[str, ...], tiny: Callable[..., SpaceConfig]
) -> None:
    """The architecture's half of a search, with no task: discrete by threshold, and the expected cost ends inside."""
    space = tiny(searched)
    parameters = ArchitectureParameters(space, SigmoidNormalised(), torch.Generator().manual_seed(1))
    goal = target(space, "macs", share)
    module: Any = SimpleNamespace(constraint=goal, architecture_parameters=parameters)
    adam, steps = torch.optim.Adam(parameters.logits(), lr=0.1, betas=(0.5, 0.999)), 240
    counts = []
    for step in range(steps):
        p = parameters.probabilities()
        levels = zip(parameters.log_probabilities(), parameters.logits(), parameters.alive, strict=True)
        loss = 0.3 * torch.stack([ssr(*level).sum() for level in levels]).sum() + goal.penalty(p)
        goal.ascend(Probabilities(*(level.detach() for level in p)), 1 / steps)
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step % 10 == 9:
            alive, ratios = parameters.alive.clone(), parameters.ratios()
            kept = alive & Alive(*(ratio > 0.1 for ratio in ratios))
            kept = SearchModule._within_bounds(module, alive, kept, ratios, last=False)
            parameters.set_alive(kept.cascade(space))
            parameters.rescale()
            counts.append(sum(parameters.alive.counts().values()))
            if parameters.alive.is_discrete():
                break
    assert all(later <= earlier for earlier, later in pairwise(counts))
    assert parameters.alive.is_discrete() and goal.meets(parameters.architecture())
