"""Bounds on cost: penalty, dual variable, what the guard takes back, and the cut of an undecided network."""

import math
import random
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import nni.nas.strategy  # noqa: F401  # first: NNI's circular import leaves its own strategies as stubs otherwise
import pytest
import torch
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.oneshot.pytorch.profiler import ExpectationProfilerPenalty
from nni.nas.profiler.pytorch.flops import NumParamsProfiler
from nni.nas.strategy import DARTS as NNIDARTS
from torch import Tensor

from nas_space.architecture import Architecture, Layer
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities, TabulatedCost, counted_cost
from nas_space.space import JointSpace
from strategies.alive import Alive
from strategies.constraint import Bound, Constraint
from strategies.parameters import ArchitectureParameters
from strategies.relaxation import IndependentSigmoids, Relaxation, SigmoidNormalised, Softmax

SIZE = (64, 96)
KINDS = {"macs": "macs_total", "params": "params"}


def small(search: tuple[str, ...] = DIMENSIONS, stages: int = 2) -> SpaceConfig:
    """Few enough networks to look at each; a third stage has one width and one depth."""
    widths, depths, span = (8, 12, 16)[:stages], ((1, 2), (1, 2), (1,))[:stages], (4, 4, 0)[:stages]
    return SpaceConfig(4, widths, depths, (1, 2), (1, 2), span, 4, search)


def bound(space: SpaceConfig, key: str, limit: float) -> Bound:
    return Bound(key, counted_cost(space, KINDS[key], SIZE, 5), limit)


def of(architecture: Architecture, key: str) -> float:
    """The exact cost, from the closed form."""
    return getattr(cost(architecture, SIZE, 5), KINDS[key])


def extreme(space: SpaceConfig, last: bool) -> Architecture:
    """The smallest network, pooled where pooling is searched, or the largest."""
    k = -1 if last else 0
    stages = []
    for stage, depths in enumerate(space.depth_candidates):
        width = space.width_candidates(stage)[k]
        pooling = space.poolings[0] if last else max(pooling for _, pooling in space.operators)
        stages.append((Layer(1, pooling, width, width),) * depths[k])
    return Architecture(space, tuple(stages))


def search(
    space: SpaceConfig, seed: int, relaxation: Relaxation | None = None, scale: float = 1.0
) -> ArchitectureParameters:
    """Architecture parameters in the middle of a search, float64."""
    parameters = ArchitectureParameters(
        space, relaxation or SigmoidNormalised(), torch.Generator().manual_seed(seed)
    ).double()
    with torch.no_grad():
        for logits in parameters.logits():
            logits.mul_(1000 * scale)
    return parameters


def same(first: Alive, second: Alive) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def contains(outer: Alive, inner: Alive) -> bool:
    return not any(bool((b & ~a).any()) for a, b in zip(outer, inner, strict=True))


def drawn(alive: Alive, seed: int) -> Alive:
    """Retaining ratios at random: the best of each choice 1, the dead 0."""
    generator = torch.Generator().manual_seed(seed)
    values = [torch.rand(mask.shape, generator=generator) * mask for mask in alive]
    return Alive(*(v / v.amax(-1, keepdim=True).clamp(min=1e-30) for v in values))


def best_of(space: SpaceConfig, alive: Alive, ratios: Alive) -> Architecture:
    return ArchitectureParameters(space, Softmax()).architecture(
        Alive(*(r * m for r, m in zip(ratios, alive, strict=True)))
    )


def networks(space: SpaceConfig, alive: Alive) -> Iterator[Architecture]:
    """Every network whose candidates are all alive."""
    stages = []
    for stage, candidates in enumerate(space.depth_candidates):
        first, widths = sum(space.layers[:stage]), space.width_candidates(stage)
        layers = [
            [
                Layer(*space.operators[o], widths[i], widths[j])
                for o, i, j in product(range(len(space.operators)), range(len(widths)), range(len(widths)))
                if alive.operator[row, o] and alive.width[row, o, 0, i] and alive.width[row, o, 1, j]
            ]
            for row in range(first, first + space.layers[stage])
        ]
        stages.append(
            [choice for k, d in enumerate(candidates) if alive.depth[stage, k] for choice in product(*layers[:d])]
        )
    for chosen in product(*stages):
        yield Architecture(space, chosen)


# penalty


@pytest.mark.parametrize("key", KINDS)
@pytest.mark.parametrize(
    "relaxation", [SigmoidNormalised(), Softmax(), IndependentSigmoids()], ids=("sigmoid", "softmax", "independent")
)
def test_no_penalty_where_the_bound_is_met(key: str, relaxation: Relaxation, tiny: Callable[..., SpaceConfig]) -> None:
    parameters = search(tiny(), 0, relaxation)
    constraint = Constraint([bound(tiny(), key, of(extreme(tiny(), True), key))], tiny())
    penalty = constraint.penalty(parameters.probabilities())
    gradients = torch.autograd.grad(penalty, parameters.logits())
    assert float(penalty.detach()) == 0 and not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("key", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_penalty_by_hand(key: str, seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    """``mu log(E / bound)`` and the gradient ``mu grad E / E``."""
    parameters = search(tiny(), seed)
    one = bound(tiny(), key, of(extreme(tiny(), False), key) * 1.01)
    constraint, mu = Constraint([one], tiny()), 0.37
    constraint.log_mu.fill_(math.log(mu))
    expected = one.cost.expected(parameters.probabilities())
    by_hand = [
        mu * gradient / float(expected.detach()) for gradient in torch.autograd.grad(expected, parameters.logits())
    ]
    assert all(gradient.abs().max() > 1e-6 for gradient in by_hand)
    penalty = constraint.penalty(parameters.probabilities())
    assert penalty.dtype == torch.float64 and penalty.shape == ()
    assert float(penalty.detach()) == pytest.approx(mu * math.log(float(expected.detach()) / one.limit), rel=1e-9)
    for gradient, hand in zip(torch.autograd.grad(penalty, parameters.logits()), by_hand, strict=True):
        torch.testing.assert_close(gradient, hand, rtol=1e-9, atol=1e-15)


def test_penalties_of_several_bounds_add_up(tiny: Callable[..., SpaceConfig]) -> None:
    """Each with its own dual variable; a bound that is met adds nothing."""
    p = search(tiny(), 1).probabilities()
    tight, loose = extreme(tiny(), False), extreme(tiny(), True)
    macs, params = bound(tiny(), "macs", of(tight, "macs")), bound(tiny(), "params", of(tight, "params"))
    both = Constraint([macs, params], tiny())
    both.log_mu.copy_(torch.tensor([0.2, 3.0]).log())
    terms = [
        mu * math.log(float(one.cost.expected(p).detach()) / one.limit) for mu, one in ((0.2, macs), (3.0, params))
    ]
    assert min(terms) > 0 and float(both.penalty(p).detach()) == pytest.approx(sum(terms), rel=1e-6)
    first = Constraint([macs, bound(tiny(), "params", of(loose, "params"))], tiny())
    first.log_mu.copy_(torch.tensor([0.2, 3.0]).log())
    assert float(first.penalty(p).detach()) == pytest.approx(terms[0], rel=1e-6)


@pytest.mark.parametrize("relaxation", [SigmoidNormalised(), Softmax()], ids=("sigmoid", "softmax"))
def test_every_level_feels_the_penalty(relaxation: Relaxation, tiny: Callable[..., SpaceConfig]) -> None:
    """Descent makes the network smaller: shallower, narrower, pooled, from the very start of a search."""
    parameters = search(tiny(), 0, relaxation, scale=0.001)
    constraint = Constraint([bound(tiny(), "macs", of(extreme(tiny(), False), "macs"))], tiny())
    constraint.penalty(parameters.probabilities()).backward()
    alpha, beta, gamma = (logits.grad for logits in parameters.logits())
    assert alpha is not None and beta is not None and gamma is not None
    assert (alpha[:, 0] < 0).all() and alpha[0, 2] > 0 and alpha[1, 1] > 0
    assert (gamma[..., 0] < 0).all() and (gamma[..., -1] > 0).all()
    pooled = torch.tensor([pooling == 2 for _, pooling in tiny().operators])
    assert (beta[:, pooled] < 0).all() and (beta[:, ~pooled] > 0).all()


def test_a_most_probable_network_that_exceeds_counts(tiny: Callable[..., SpaceConfig]) -> None:
    """The expectation meets the bound, the network does not: the pressure stays, until the next network is seen."""
    space = tiny()
    p = search(space, 0).probabilities()
    middle = float(counted_cost(space, "params", SIZE, 5).expected(p).detach())
    one = bound(space, "params", 1.05 * middle)
    constraint = Constraint([one], space)
    assert of(extreme(space, True), "params") > one.limit > of(extreme(space, False), "params")
    assert float(constraint.penalty(p).detach()) == 0
    constraint.observe(extreme(space, True))
    assert float(constraint.excess) == pytest.approx(
        math.log(of(extreme(space, True), "params") / one.limit), rel=1e-12
    )
    penalty = constraint.penalty(p)
    assert penalty.requires_grad and float(penalty.detach()) == pytest.approx(0.01 * math.log(1 / 1.05), rel=1e-6)
    before = float(constraint.log_mu)
    constraint.ascend(p, 0.01)
    assert float(constraint.log_mu) == pytest.approx(before + 25 * 0.01 * float(constraint.excess), rel=1e-9)
    constraint.observe(extreme(space, False))
    assert float(constraint.excess) < 0 and float(constraint.penalty(p).detach()) == 0


def nni_darts(penalty: ExpectationProfilerPenalty | None, space: JointSpace) -> Any:
    strategy = NNIDARTS(penalty=penalty)
    module = strategy.configure_oneshot_module(LightningModule())
    module.set_model(strategy.mutate_model(space))
    return module


@pytest.mark.parametrize("searched", [("depth",), ("dilation", "depth")], ids=str)
def test_nnis_penalty_has_no_gradient(searched: tuple[str, ...], tiny: Callable[..., SpaceConfig]) -> None:
    """Why we have our own: NNI's DARTS gives its penalty plain floats, which change the loss but not its gradient."""
    space = JointSpace(tiny(searched), 3)
    profiler = NumParamsProfiler(space, torch.randn(1, 3, 32, 40))
    module = nni_darts(ExpectationProfilerPenalty(profiler, baseline=1000.0, scale=10.0, nonlinear="positive"), space)
    probabilities = module.export_probs()
    assert all(type(p) is float for choice in probabilities.values() for p in choice.values())
    loss = module.model(torch.randn(2, 3, 32, 40)).square().mean()
    penalised, details = module.penalty(loss, probabilities)
    assert float(penalised.detach()) > float(loss.detach()) + 10  # three times the baseline
    assert not isinstance(details["normalized_penalty"], Tensor)
    alphas = module.arch_parameters()
    plain, with_penalty = (torch.autograd.grad(value, alphas, retain_graph=True) for value in (loss, penalised))
    assert any(gradient.any() for gradient in plain)
    assert all(torch.equal(a, b) for a, b in zip(plain, with_penalty, strict=True))


@pytest.mark.parametrize("searched", [("depth",), ("dilation", "pooling", "depth"), DIMENSIONS], ids=str)
def test_ours_has_one_on_the_same_spaces(searched: tuple[str, ...], tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(searched)
    parameters = search(space, 0)
    constraint = Constraint([bound(space, "macs", of(extreme(space, False), "macs"))], space)
    gradients = torch.autograd.grad(constraint.penalty(parameters.probabilities()), parameters.logits())
    for logits, gradient in zip(parameters.logits(), gradients, strict=True):
        assert bool(gradient.any()) == (logits.shape[-1] > 1)


# dual variable


def one_sided(space: SpaceConfig, over: float) -> tuple[Constraint, Probabilities]:
    """A constraint whose bound the expectation exceeds by the factor ``exp(over)``."""
    p = search(space, 0).probabilities()
    expected = float(counted_cost(space, "macs_total", SIZE, 5).expected(p).detach())
    return Constraint([bound(space, "macs", expected * math.exp(-over))], space), p


@pytest.mark.parametrize("over", [0.01, 0.1, 0.25])
@pytest.mark.parametrize("advance", [1e-4, 0.01])
def test_the_dual_variable_rises_while_exceeded_and_falls_when_met(
    over: float, advance: float, tiny: Callable[..., SpaceConfig]
) -> None:
    constraint, p = one_sided(tiny(), over)
    values = [float(constraint.log_mu)]
    assert values[0] == pytest.approx(math.log(0.01))
    for _ in range(3):
        constraint.ascend(p, advance)
        values.append(float(constraint.log_mu))
    assert [b - a for a, b in zip(values, values[1:], strict=False)] == pytest.approx(
        [25 * advance * over] * 3, rel=1e-6
    )
    met, q = one_sided(tiny(), -over)
    met.log_mu.fill_(2.0)
    met.ascend(q, advance)
    assert float(met.log_mu) == pytest.approx(2.0 - 25 * advance * over, rel=1e-9)


def test_the_dual_variable_stays_in_its_range(tiny: Callable[..., SpaceConfig]) -> None:
    constraint, p = one_sided(tiny(), 0.2)
    constraint.ascend(p, 1e3)
    assert float(constraint.log_mu.exp()) == pytest.approx(1e4)
    met, q = one_sided(tiny(), -0.2)
    met.ascend(q, 1e3)
    assert float(met.log_mu.exp()) == pytest.approx(0.01)


def test_each_bound_has_its_own_dual_variable(tiny: Callable[..., SpaceConfig]) -> None:
    p = search(tiny(), 0).probabilities()
    macs = bound(tiny(), "macs", of(extreme(tiny(), False), "macs"))
    constraint = Constraint([macs, bound(tiny(), "params", of(extreme(tiny(), True), "params"))], tiny())
    constraint.log_mu.fill_(0.0)
    constraint.ascend(p, 0.01)
    assert constraint.log_mu[0] > 0 > constraint.log_mu[1]


def test_a_checkpoint_brings_the_dual_variables_back(tiny: Callable[..., SpaceConfig]) -> None:
    constraint, p = one_sided(tiny(), 0.2)
    constraint.ascend(p, 0.05)
    constraint.observe(extreme(tiny(), True))
    fresh, _ = one_sided(tiny(), 0.2)
    fresh.load_state_dict(constraint.state_dict())
    assert (
        float(fresh.penalty(p).detach())
        == float(constraint.penalty(p).detach())
        > float(one_sided(tiny(), 0.2)[0].penalty(p).detach())
    )
    assert torch.equal(fresh.excess, constraint.excess)


# bounds that nothing meets


@pytest.mark.parametrize("key", KINDS)
@pytest.mark.parametrize("searched", [DIMENSIONS, ("width",), ("pooling", "depth")], ids=str)
def test_a_bound_below_the_smallest_network(
    key: str, searched: tuple[str, ...], tiny: Callable[..., SpaceConfig]
) -> None:
    space = tiny(searched)
    least = of(extreme(space, False), key)
    Constraint([bound(space, key, least)], space)  # reachable, just
    with pytest.raises(
        InputError,
        match=f"^constraint.{key}: .*"
        + re.escape(f"the smallest network's; networks of the space have {least:,.0f} to "),
    ):
        Constraint([bound(space, key, least * (1 - 1e-6))], space)


def test_the_bound_that_is_too_small_is_named(tiny: Callable[..., SpaceConfig]) -> None:
    smallest = extreme(tiny(), False)
    macs, params = (bound(tiny(), key, of(smallest, key)) for key in KINDS)
    Constraint([macs, params], tiny())
    with pytest.raises(InputError, match="^constraint.params"):
        Constraint([macs, bound(tiny(), "params", params.limit - 1)], tiny())
    with pytest.raises(InputError, match="^constraint.macs"):
        Constraint([bound(tiny(), "macs", macs.limit - 1), params], tiny())


def crossed(values: tuple[tuple[float, ...], ...], limits: tuple[float, ...]) -> tuple[SpaceConfig, list[Bound]]:
    """Bounds on made-up costs of four operators, in a space of one layer a stage that searches the operators alone."""
    space = SpaceConfig(4, (8, 12), ((1,), (1,)), (1, 2), (1, 2), 4, 4, ("dilation", "pooling"))
    tables = [torch.tensor(v, dtype=torch.float64)[:, None, None] for v in values]
    return space, [
        Bound(f"cost{i}", TabulatedCost(space, 0.0, [t, t]), limit)
        for i, (t, limit) in enumerate(zip(tables, limits, strict=True))
    ]


def test_bounds_that_no_network_meets_together() -> None:
    space, bounds = crossed(((1.0, 5.0, 9.0, 9.0), (5.0, 1.0, 9.0, 9.0)), (4.0, 4.0))
    for one in bounds:
        Constraint([one], space)
    with pytest.raises(InputError, match="^constraint.cost"):
        Constraint(bounds, space)


def test_bounds_that_one_network_meets_together() -> None:
    """The third operator does, although the first has the smaller mean: costs may disagree, as latency and MACs."""
    space, bounds = crossed(((1.0, 10.0, 4.9, 10.0), (7.0, 4.0, 4.9, 10.0)), (10.0, 10.0))
    Constraint(bounds, space)


# guard


@pytest.mark.parametrize("key", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_the_guard_leaves_a_network_within_the_bound(
    key: str, seed: int, tiny: Callable[..., SpaceConfig], survivors: Callable[..., Alive]
) -> None:
    space, generator = tiny(), random.Random(seed)
    before = survivors(space, seed, 0.7)
    ratios = drawn(before, seed)
    h = generator.choice((0.2, 0.5, 0.9, 0.999))
    kept = before & Alive(*(ratio > h for ratio in ratios))
    table = counted_cost(space, KINDS[key], SIZE, 5)
    least, left = table.cheapest(*before), table.cheapest(*kept.cascade(space))
    constraint = Constraint([Bound(key, table, least + generator.random() ** 2 * (left - least))], space)
    untouched = Alive(*(mask.clone() for mask in kept))
    guarded = constraint.guard(before, kept, ratios)
    assert constraint.met(guarded.cascade(space))
    assert of(table.cheapest_network(*guarded.cascade(space)), key) <= constraint.bounds[0].limit
    assert contains(before, guarded) and contains(guarded, kept)
    assert same(kept, untouched)  # a new tuple, the argument as it was
    assert same(guarded, kept) == (left <= constraint.bounds[0].limit)


@pytest.mark.parametrize("seed", range(6))
def test_a_feasible_removal_stays(seed: int, tiny: Callable[..., SpaceConfig], survivors: Callable[..., Alive]) -> None:
    space = tiny()
    before = survivors(space, seed, 0.7)
    ratios = drawn(before, seed)
    kept = before & Alive(*(ratio > 0.5 for ratio in ratios))
    table = counted_cost(space, "params", SIZE, 5)
    constraint = Constraint([Bound("params", table, table.cheapest(*kept.cascade(space)))], space)
    assert same(constraint.guard(before, kept, ratios), kept)


@pytest.mark.parametrize("seed", range(12))
def test_the_guard_leaves_a_network_within_both_bounds(seed: int) -> None:
    """Not one network for each: by looking at all that are left."""
    space, generator = small(stages=2 + seed % 2), random.Random(seed)
    before = Alive.full(space)
    ratios = drawn(before, seed)
    kept = before & Alive(*(ratio > generator.choice((0.3, 0.6)) for ratio in ratios))
    target = Architecture.random(space, generator)  # is in the space, so the bounds can be met
    constraint = Constraint([bound(space, key, of(target, key) * 1.02) for key in KINDS], space)
    guarded = constraint.guard(before, kept, ratios)
    assert contains(before, guarded) and contains(guarded, kept)
    assert any(
        all(of(one, b.name) <= b.limit for b in constraint.bounds) for one in networks(space, guarded.cascade(space))
    )


def test_the_guard_sees_that_no_network_meets_both() -> None:
    """Of the two operators that stay each meets one bound; the third meets both, but had to go."""
    space, bounds = crossed(((1.0, 6.0, 3.0, 9.0), (6.0, 1.0, 3.0, 9.0)), (6.5, 6.5))
    before = Alive.full(space)
    operator = torch.tensor([[True, True, False, False]] * 2)
    kept = before._replace(operator=operator).cascade(space)
    assert all(one.cost.cheapest(*kept) < one.limit for one in bounds)
    guarded = Constraint(bounds, space).guard(before, kept, Alive(*(mask.float() for mask in before)))
    assert any(
        all(one.of(network) <= one.limit for one in bounds) for network in networks(space, guarded.cascade(space))
    )


def widths_only() -> tuple[SpaceConfig, Alive, Alive, Alive]:
    """One layer a stage, one operator, widths 4, 6, 8 and 8, 10, 12: all but the widest leave, with ratios 0.1."""
    space = SpaceConfig(4, (8, 12), ((1,), (1,)), (1,), (1,), 4, 2, ("width",))
    before = Alive.full(space)
    kept = before._replace(width=before.width & torch.tensor([False, False, True]))
    return space, before, kept, Alive(before.depth.float(), before.operator.float(), torch.where(kept.width, 1.0, 0.1))


def test_the_likeliest_comes_back_first_and_alone() -> None:
    space, before, kept, ratios = widths_only()
    ratios.width[0, 0, 0, 1] = 0.3
    ratios.width[1, 0, 1, 1] = 0.4
    largest = of(extreme(space, True), "params")
    guarded = Constraint([bound(space, "params", largest - 1)], space).guard(before, kept, ratios)
    assert (guarded.width & ~kept.width).nonzero().tolist() == [[1, 0, 1, 1]]


def test_as_many_come_back_as_it_takes() -> None:
    """Widths 6 of 8 and 10 of 12: one saves 2 * (3*8 + 1 + 3*8), the other 2 * (3*12 + 3) parameters, on their own."""
    space, before, kept, ratios = widths_only()
    ratios.width[0, 0, 0, 1] = 0.3  # width_3x1 6: 3*8*6 + 6 + 3*6*8 + 3*8, 98 less
    ratios.width[1, 0, 1, 1] = 0.4  # width_1x3 10: 3*12*12 + 12 + 3*12*10 + 3*10, 78 less
    largest = of(extreme(space, True), "params")
    for saving, back in ((78, [[1, 0, 1, 1]]), (79, [[0, 0, 0, 1], [1, 0, 1, 1]]), (176, [[0, 0, 0, 1], [1, 0, 1, 1]])):
        guarded = Constraint([bound(space, "params", largest - saving)], space).guard(before, kept, ratios)
        assert (guarded.width & ~kept.width).nonzero().tolist() == back
    guarded = Constraint([bound(space, "params", largest - 177)], space).guard(before, kept, ratios)
    assert int((guarded.width & ~kept.width).sum()) == 3


def test_what_saves_nothing_stays_away() -> None:
    """Width 8 is likelier than 4, but 6 is kept, which is narrower already."""
    space, before, kept, ratios = widths_only()
    kept.width[0, 0, 0] = torch.tensor([False, True, False])
    ratios.width[0, 0, 0] = torch.tensor([0.2, 1.0, 0.9])
    least = counted_cost(space, "params", SIZE, 5).cheapest(*kept)
    guarded = Constraint([bound(space, "params", least - 1)], space).guard(before, kept, ratios)
    assert guarded.width[0, 0, 0].tolist() == [True, True, False]
    assert int((guarded.width & ~kept.width).sum()) == 1


def test_a_shallower_depth_comes_back() -> None:
    space = small(("depth",))
    before = Alive.full(space)
    kept = before._replace(depth=torch.tensor([[False, True], [False, True]]))
    ratios = Alive(torch.tensor([[0.2, 1.0], [0.3, 1.0]]), before.operator.float(), before.width.float())
    largest = of(extreme(space, True), "params")
    guarded = Constraint([bound(space, "params", largest - 1)], space).guard(before, kept, ratios)
    assert guarded.depth.tolist() == [[False, True], [True, True]]


def test_an_operator_that_comes_back_has_widths(survivors: Callable[..., Alive]) -> None:
    space = small(("pooling", "width"))
    before = Alive.full(space)
    ratios = drawn(before, 0)
    ratios.operator.copy_(torch.tensor([1.0, 0.05]))
    kept = before & Alive(*(ratio > 0.1 for ratio in ratios))
    constraint = Constraint([bound(space, "macs", of(extreme(space, False), "macs"))], space)
    guarded = constraint.guard(before, kept, ratios).cascade(space)
    assert guarded.operator[:, 1].all() and guarded.width.any(-1)[guarded.operator].all()


@pytest.mark.parametrize("seed", range(8))
def test_epoch_after_epoch_both_bounds_can_be_met(seed: int) -> None:
    """Removal upon removal, each guarded, until every choice is decided or nothing more may leave; then the cut."""
    space, generator = small(stages=2 + seed % 2), random.Random(seed)
    target = Architecture.random(space, generator)
    constraint = Constraint([bound(space, key, of(target, key) * 1.05) for key in KINDS], space)
    alive = Alive.full(space)
    for epoch in range(8):
        ratios = drawn(alive, 100 * seed + epoch)
        kept = alive & Alive(*(ratio > 0.4 for ratio in ratios))
        after = constraint.guard(alive, kept, ratios).cascade(space)
        assert contains(alive, after) and constraint.met(after)
        alive = after
    assert sum(alive.counts().values()) < sum(Alive.full(space).counts().values())
    ratios = drawn(alive, seed)
    found = constraint.within(best_of(space, alive, ratios), alive, ratios)
    assert all(of(found, one.name) <= one.limit for one in constraint.bounds)
    summary = constraint.summary(found)
    assert summary == {
        one.name: {"limit": one.limit, "found": of(found, one.name), "met": True} for one in constraint.bounds
    }


# an undecided network is cut


def limits(space: SpaceConfig, alive: Alive, generator: random.Random, keys: list[str]) -> list[Bound]:
    """Bounds at random: each between what a random network of the survivors costs and the dearest."""
    some = generator.choice(list(networks(space, alive)))
    largest = extreme(space, True)
    return [
        bound(space, key, of(some, key) + generator.random() ** 3 * (of(largest, key) - of(some, key))) for key in keys
    ]


@pytest.mark.parametrize("keys", [["params"], ["macs"], ["macs", "params"]], ids=str)
@pytest.mark.parametrize("seed", range(15))
def test_within_every_bound(keys: list[str], seed: int, survivors: Callable[..., Alive]) -> None:
    space, generator = small(stages=2 + seed % 2), random.Random(seed)
    alive = survivors(space, seed, 0.6)
    ratios = drawn(alive, seed)
    bounds = limits(space, alive, generator, keys)
    architecture = best_of(space, alive, ratios)
    met = all(of(architecture, one.name) <= one.limit for one in bounds)
    constraint = Constraint(bounds, space)
    assert constraint.met(alive)
    found = constraint.within(architecture, alive, ratios)
    assert all(of(found, one.name) <= one.limit for one in bounds)
    assert contains(alive, Alive.only(found))
    assert (found == architecture) == met


def test_within_both_bounds_where_one_survivor_meets_them() -> None:
    """Again costs that pull apart: the third operator is the only way, and not the one with the smallest mean."""
    space, bounds = crossed(((1.0, 9.0, 4.9, 2.0), (7.0, 9.0, 4.9, 2.0)), (10.0, 10.0))
    constraint, full = Constraint(bounds, space), Alive.full(space)
    alive = full._replace(operator=torch.tensor([[True, False, True, False]] * 2)).cascade(space)
    assert any(all(one.met_by(network) for one in bounds) for network in networks(space, alive))
    ratios = Alive(*(mask.float() for mask in alive))
    found = constraint.within(best_of(space, alive, ratios), alive, ratios)
    assert all(one.of(found) <= one.limit for one in bounds)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("key", KINDS)
def test_within_any_bound_that_can_be_met(share: float, key: str, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    least, most = of(extreme(space, False), key), of(extreme(space, True), key)
    one = bound(space, key, least + share * (most - least))
    for seed in range(4):
        parameters = search(space, seed)
        architecture = parameters.architecture()
        found = Constraint([one], space).within(architecture, parameters.alive, parameters.ratios())
        assert of(found, key) <= one.limit
        assert (found == architecture) == (of(architecture, key) <= one.limit)


def test_the_cut_takes_the_likeliest_saving() -> None:
    space, before, _, ratios = widths_only()
    ratios.width[1, 0, 0, 1] = 0.6
    largest = extreme(space, True)
    found = Constraint([bound(space, "params", of(largest, "params") - 1)], space).within(largest, before, ratios)
    assert found.stages == ((Layer(1, 1, 8, 8),), (Layer(1, 1, 10, 12),))


def test_a_new_operator_brings_its_likeliest_widths() -> None:
    space = small(("pooling", "width"))
    alive = Alive.full(space)
    ratios = Alive(
        alive.depth.float(),
        alive.operator.float(),
        torch.where(torch.tensor([False, True]), 1.0, 0.5).expand(alive.width.shape).clone(),
    )
    ratios.operator.copy_(torch.tensor([1.0, 0.8]))
    ratios.width[0, 1, 0] = torch.tensor([1.0, 0.5])  # the pooled operator of the first layer likes to be narrow
    ratios.operator[0, 1] = 0.9
    architecture = best_of(space, alive, ratios)
    one = bound(space, "macs", of(architecture, "macs") - 1)
    found = Constraint([one], space).within(architecture, alive, ratios)
    assert found.stages[0][0] == Layer(1, 2, 4, 8)
    assert found.stages[1] == architecture.stages[1]


def test_bounds_that_no_network_keeps_to_together() -> None:
    """Each is possible alone: the message tells of both, and of no range that is not the space's."""
    space = small(("pooling", "width", "depth"))  # a fourteenth of all networks
    found = list(networks(space, Alive.full(space)))
    costs = [(of(network, "macs"), of(network, "params")) for network in found]
    macs = min(macs for macs, _ in costs)  # pooled everywhere: parameters are the same as without
    tight = [bound(space, "macs", macs), bound(space, "params", min(params for _, params in costs))]
    Constraint(tight, space)  # the smallest network has both
    table = torch.zeros_like(tight[1].cost.table)
    table[:] = -tight[1].cost.table + tight[1].cost.table.max()  # the larger, the cheaper
    starts = [sum(space.layers[:stage]) for stage in range(len(space.layers))]
    opposite = TabulatedCost(space, 1.0, [table[start] for start in starts], table.device)
    least = opposite.cheapest(*Alive.full(space))
    with pytest.raises(InputError, match=r"^constraint.macs and constraint.other: found no network that keeps to all"):
        Constraint([tight[0], Bound("other", opposite, least)], space)
