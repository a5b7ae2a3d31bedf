"""A cost as a table: exact at one-hot, the mean over all networks in between, and the cheapest network."""

import random
from collections.abc import Callable, Iterator
from itertools import chain, combinations, product

import pytest
import torch
from torch import Tensor

from nas_space.architecture import Architecture, Layer
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.cost import cost, fixed_cost, layer_cost, operator_cost, stage_size
from nas_space.expected_cost import Probabilities, TabulatedCost, counted_cost

KINDS = ("params", "macs_conv", "macs_total")
SUBSETS = list(chain.from_iterable(combinations(DIMENSIONS, n) for n in range(5)))
SIZE = (45, 61)


def small(search: tuple[str, ...] = DIMENSIONS) -> SpaceConfig:
    """Few enough networks to look at each."""
    return SpaceConfig(4, (8, 12), ((1, 2), (1, 2)), (1, 2), (1, 2), 4, 4, search)


def full(space: SpaceConfig) -> Probabilities:
    """1 for every candidate, 0 where there is none."""
    layers, operators = sum(space.layers), len(space.operators)
    depth = torch.zeros(2, max(map(len, space.depth_candidates)), dtype=torch.float64)
    for stage, candidates in enumerate(space.depth_candidates):
        depth[stage, : len(candidates)] = 1
    widths = torch.ones(layers, operators, 2, len(space.width_candidates(0)), dtype=torch.float64)
    return Probabilities(depth, torch.ones(layers, operators, dtype=torch.float64), widths)


def drawn(space: SpaceConfig, seed: int, normalised: bool = True) -> Probabilities:
    generator = torch.Generator().manual_seed(seed)
    p = [like * torch.rand(like.shape, generator=generator, dtype=torch.float64) ** 2 for like in full(space)]
    return Probabilities(*(x / x.sum(-1, keepdim=True) if normalised else x for x in p))


def one_hot(architecture: Architecture) -> Probabilities:
    space = architecture.space
    p = Probabilities(*(torch.zeros_like(x) for x in full(space)))
    for stage, layers in enumerate(architecture.stages):
        p.depth[stage, space.depth_candidates[stage].index(len(layers))] = 1
        for j, layer in enumerate(layers):
            row, widths = sum(space.layers[:stage]) + j, space.width_candidates(stage)
            operator = space.operators.index((layer.dilation, layer.pooling))
            p.operator[row, operator] = 1
            p.width[row, operator, 0, widths.index(layer.width_3x1)] = 1
            p.width[row, operator, 1, widths.index(layer.width_1x3)] = 1
    return p


def masks(space: SpaceConfig, seed: int, share: float = 0.6) -> tuple[Tensor, Tensor, Tensor]:
    """Random survivors, at least one in every choice; layers without an owner and widths of the dead are gone."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for like in full(space):
        exists = like > 0
        mask = exists & (torch.rand(like.shape, generator=generator) < share)
        lucky = (torch.rand(like.shape, generator=generator) * exists).argmax(-1, keepdim=True)
        found.append(mask | (torch.zeros_like(mask).scatter(-1, lucky, True) & (mask.sum(-1, keepdim=True) == 0)))
    depth, operator, width = found
    row = 0
    for stage, candidates in enumerate(space.depth_candidates):
        deepest = max(d for d, alive in zip(candidates, depth[stage].tolist(), strict=False) if alive)
        operator[row + deepest : row + space.layers[stage]] = False
        row += space.layers[stage]
    return depth, operator, width & operator[..., None, None]


def networks(space: SpaceConfig, depth: Tensor, operator: Tensor, width: Tensor) -> Iterator[Architecture]:
    """Every network whose candidates are all in the masks."""

    def layers(stage: int, row: int) -> list[Layer]:
        widths = space.width_candidates(stage)
        return [
            Layer(*space.operators[o], widths[i], widths[j])
            for o, i, j in product(range(len(space.operators)), range(len(widths)), range(len(widths)))
            if operator[row, o] and width[row, o, 0, i] and width[row, o, 1, j]
        ]

    stages = []
    for stage, candidates in enumerate(space.depth_candidates):
        first = sum(space.layers[:stage])
        depths = [d for k, d in enumerate(candidates) if depth[stage, k]]
        stages.append([choice for d in depths for choice in product(*(layers(stage, first + j) for j in range(d)))])
    for chosen in product(*stages):
        yield Architecture(space, chosen)


def measured(space: SpaceConfig, seed: int) -> tuple[TabulatedCost, Callable[[Architecture], float]]:
    """A cost without any structure over operators and widths, as a latency is, and a function that looks it up."""
    generator = torch.Generator().manual_seed(seed)
    shape = len(space.operators), len(space.width_candidates(0)), len(space.width_candidates(0))
    tables = [0.1 + torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(2)]

    def look_up(architecture: Architecture) -> float:
        total = 2.5
        for stage, layers in enumerate(architecture.stages):
            widths = space.width_candidates(stage)
            for layer in layers:
                place = (
                    space.operators.index((layer.dilation, layer.pooling)),
                    widths.index(layer.width_3x1),
                    widths.index(layer.width_1x3),
                )
                total += float(tables[stage][place])
        return total

    return TabulatedCost(space, 2.5, tables), look_up


def closed_form(space: SpaceConfig, kind: str, size: tuple[int, int], p: Probabilities) -> float:
    """The expected cost by the polynomials' mean widths: a reference that shares no line with the table.

    For each layer ``u * (rest + sum_o p_o * (k11*E[c1]*E[c2] + k1*E[c1] + k2*E[c2] + k0))``.
    """
    total, row = float(getattr(fixed_cost(space, size, 5), kind)), 0
    for stage, channels in enumerate(space.widths):
        features, widths = stage_size(size, stage), torch.tensor(space.width_candidates(stage), dtype=torch.float64)
        for position in range(space.layers[stage]):
            value = float(getattr(layer_cost(channels, features), kind))
            for o, (_, pooling) in enumerate(space.operators):
                k = getattr(operator_cost(channels, pooling, features), kind)
                c1, c2 = (p.width[row, o] @ widths).tolist()
                value += float(p.operator[row, o]) * (k.k11 * c1 * c2 + k.k1 * c1 + k.k2 * c2 + k.k0)
            depths = zip(space.depth_candidates[stage], p.depth[stage].tolist(), strict=False)
            total += value * sum(chance for depth, chance in depths if depth > position)
            row += 1
    return total


# expectation


@pytest.mark.parametrize("search", SUBSETS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 96), SIZE], ids=str)
def test_at_one_hot_it_is_the_exact_cost(
    search: tuple[str, ...], kind: str, size: tuple[int, int], tiny: Callable[..., SpaceConfig]
) -> None:
    space = tiny(search)
    table = counted_cost(space, kind, size, 5)
    for seed in range(5):
        architecture = Architecture.random(space, random.Random(seed))
        assert float(table.expected(one_hot(architecture))) == getattr(cost(architecture, size, 5), kind)


def test_sanity_numbers() -> None:
    space = SpaceConfig.paper()
    tables = {kind: counted_cost(space, kind, (512, 1024), 19) for kind in KINDS}
    assert tables["macs_conv"].fixed == pytest.approx(0.594e9, abs=5e5)
    uniform = full(space)
    assert float(tables["macs_conv"].expected(uniform)) == pytest.approx(5.55e9, abs=5e6)
    deepest = tuple(
        (Layer(1, 1, width, width),) * depth for width, depth in zip(space.widths, space.layers, strict=True)
    )
    largest = one_hot(Architecture(space, deepest))
    assert float(tables["params"].expected(largest)) == 1_209_103
    assert round(float(tables["macs_conv"].expected(largest)) / 1e6) == 14_285


@pytest.mark.parametrize("search", SUBSETS, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_the_table_agrees_with_the_closed_form(
    search: tuple[str, ...], seed: int, tiny: Callable[..., SpaceConfig]
) -> None:
    space = tiny(search)
    p = drawn(space, seed)
    for kind in KINDS:
        expected = closed_form(space, kind, SIZE, p)
        assert float(counted_cost(space, kind, SIZE, 5).expected(p)) == pytest.approx(expected, rel=1e-12)


def test_existence_of_layers(tiny: Callable[..., SpaceConfig]) -> None:
    depth = torch.tensor([[0.5, 0.3, 0.2], [0.6, 0.4, 0.0]])
    expected = torch.tensor([1.0, 0.5, 0.2, 1.0, 0.4, 0.4], dtype=torch.float64)
    torch.testing.assert_close(counted_cost(tiny(), "params", SIZE, 5).existence(depth), expected, rtol=0, atol=1e-7)


def test_operators_and_layers_that_are_gone_cost_nothing(tiny: Callable[..., SpaceConfig]) -> None:
    """A one-hot distribution says nothing about operators that do not exist: any value there must not matter."""
    space = tiny()
    architecture = Architecture(space, ((Layer(4, 2, 4, 6),), (Layer(1, 1, 8, 10),)))
    p = one_hot(architecture)
    p.width[p.operator == 0] = 0.3
    p.operator[1:3] = 1 / len(space.operators)
    expected = cost(architecture, SIZE, 5).macs_total
    assert float(counted_cost(space, "macs_total", SIZE, 5).expected(p)) == pytest.approx(expected, rel=1e-12)


def probability(p: Probabilities, architecture: Architecture) -> float:
    """Of drawing this network, the unused choices apart."""
    chosen = one_hot(architecture)
    return float(torch.cat([level[mask > 0] for level, mask in zip(p, chosen, strict=True)]).prod())


@pytest.mark.parametrize(
    "search", [("width", "depth"), ("pooling", "depth"), ("dilation", "pooling"), ("depth",)], ids=str
)
@pytest.mark.parametrize("seed", range(2))
def test_of_an_arbitrary_table_it_is_the_mean_over_all_networks(search: tuple[str, ...], seed: int) -> None:
    space = small(search)
    table, look_up = measured(space, seed)
    p = drawn(space, seed)
    everything = list(networks(space, *(x > 0 for x in full(space))))
    chances = [probability(p, architecture) for architecture in everything]
    assert sum(chances) == pytest.approx(1, rel=1e-9)
    mean = sum(chance * look_up(architecture) for chance, architecture in zip(chances, everything, strict=True))
    assert float(table.expected(p)) == pytest.approx(mean, rel=1e-9)


def test_it_is_the_mean_over_sampled_networks(tiny: Callable[..., SpaceConfig]) -> None:
    """The whole joint space, by Monte Carlo: within five standard errors."""
    space, count = tiny(widths=(32, 48), span=24, step=8), 1000
    p = drawn(space, 0)
    generator = torch.Generator().manual_seed(1)
    draws = [
        torch.multinomial(x.flatten(0, -2), count, True, generator=generator).T.unflatten(1, x.shape[:-1]).tolist()
        for x in p
    ]
    values = []
    for depth, operator, width in zip(*draws, strict=True):
        stages = []
        for stage, candidates in enumerate(space.depth_candidates):
            first, widths = sum(space.layers[:stage]), space.width_candidates(stage)
            rows = range(first, first + candidates[depth[stage]])
            stages.append(
                tuple(Layer(*space.operators[operator[r]], *(widths[k] for k in width[r][operator[r]])) for r in rows)
            )
        exact = cost(Architecture(space, tuple(stages)), SIZE, 5)
        values.append([getattr(exact, kind) for kind in KINDS])
    sample = torch.tensor(values, dtype=torch.float64)
    error = sample.std(0) / count**0.5
    found = torch.stack([counted_cost(space, kind, SIZE, 5).expected(p) for kind in KINDS])
    assert ((found - sample.mean(0)).abs() < 5 * error).all() and (error < 0.02 * found).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_what_does_not_sum_to_one_is_normalised(kind: str, seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    """Sigmoids: against the mean at the probabilities that they stand for."""
    sigmoids = drawn(tiny(), seed, normalised=False)
    assert all(((x.sum(-1) - 1).abs() > 0.05).any() for x in sigmoids)
    normalised = Probabilities(*(x / x.sum(-1, keepdim=True) for x in sigmoids))
    expected = closed_form(tiny(), kind, SIZE, normalised)
    assert float(counted_cost(tiny(), kind, SIZE, 5).expected(sigmoids)) == pytest.approx(expected, rel=1e-12)


def test_scaling_a_choice_has_no_gradient(tiny: Callable[..., SpaceConfig]) -> None:
    p = [x.requires_grad_() for x in drawn(tiny(), 0, normalised=False)]
    gradients = torch.autograd.grad(counted_cost(tiny(), "macs_total", SIZE, 5).expected(Probabilities(*p)) / 1e5, p)
    for x, gradient in zip(p, gradients, strict=True):
        assert gradient.abs().max() > 1e-3
        assert (x * gradient).sum(-1).abs().max() < 1e-9


@pytest.mark.parametrize("seed", range(1, 4))
def test_choices_without_survivors_cost_nothing(seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    """All 0, as a shrunk search leaves them: finite value and gradient, the value of the smaller space."""
    alive = masks(tiny(), seed, 0.4)
    p = [(x * mask).requires_grad_() for x, mask in zip(drawn(tiny(), seed), alive, strict=True)]
    assert not alive[1].any(-1).all()  # a layer that is gone
    value = counted_cost(tiny(), "params", SIZE, 5).expected(Probabilities(*p))
    gradients = torch.autograd.grad(value, p)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    normalised = Probabilities(*(x.detach() / x.detach().sum(-1, keepdim=True).clamp(min=1e-9) for x in p))
    assert float(value.detach()) == pytest.approx(closed_form(tiny(), "params", SIZE, normalised), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_value_is_a_float64_scalar(dtype: torch.dtype, tiny: Callable[..., SpaceConfig]) -> None:
    value = counted_cost(tiny(), "macs_conv", SIZE, 5).expected(Probabilities(*(x.to(dtype) for x in drawn(tiny(), 0))))
    assert value.dtype == torch.float64 and value.shape == ()


@pytest.mark.parametrize("kind", KINDS)
def test_wider_deeper_and_unpooled_cost_more(kind: str) -> None:
    space = SpaceConfig.paper()
    logits = [torch.zeros_like(x).requires_grad_() for x in full(space)]
    expected = counted_cost(space, kind, (512, 1024), 19).expected(Probabilities(*(x.softmax(-1) for x in logits)))
    alpha, beta, gamma = (x / expected.detach() for x in torch.autograd.grad(expected, logits))
    assert (alpha.diff(dim=-1) > 0).all()
    assert (gamma.diff(dim=-1) > 0).all()
    pooled = torch.tensor([pooling == 2 for _, pooling in space.operators])
    if kind == "params":
        assert beta.abs().max() < 1e-12
    else:
        assert (beta[:, pooled] < 0).all() and (beta[:, ~pooled] > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_against_finite_differences(kind: str) -> None:
    space = small()
    table = counted_cost(space, kind, (33, 47), 3)
    p = [x.clone().add(0.05 * (x > 0)).requires_grad_() for x in drawn(space, 3, normalised=False)]
    assert torch.autograd.gradcheck(lambda *x: table.expected(Probabilities(*x)) / 1e5, p, eps=1e-6, rtol=1e-5)


# the cheapest network


@pytest.mark.parametrize("search", SUBSETS, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_the_cheapest_by_looking_at_all(search: tuple[str, ...], seed: int) -> None:
    space = small(search)
    alive = masks(space, seed)
    found = list(networks(space, *alive))
    costs = [cost(architecture, SIZE, 5) for architecture in found]
    for kind in KINDS:
        table, least = counted_cost(space, kind, SIZE, 5), min(getattr(c, kind) for c in costs)
        assert table.cheapest(*alive) == least
        network = table.cheapest_network(*alive)
        assert network in found and getattr(cost(network, SIZE, 5), kind) == least


@pytest.mark.parametrize("search", [("width", "depth"), ("dilation", "pooling", "depth"), DIMENSIONS], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_the_cheapest_of_an_arbitrary_table(search: tuple[str, ...], seed: int) -> None:
    """Only one network is the cheapest, so that every place in it is checked."""
    space = small(search)
    table, look_up = measured(space, seed)
    alive = masks(space, seed, 0.5)
    expected = min(networks(space, *alive), key=look_up)
    assert table.cheapest_network(*alive) == expected
    assert table.cheapest(*alive) == pytest.approx(look_up(expected), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_widths_of_dead_operators_offer_nothing(seed: int) -> None:
    """Masks before the cascade cost what they cost after it."""
    space = small()
    table, look_up = measured(space, seed)
    depth, operator, width = masks(space, seed, 0.4)
    everything = torch.ones_like(width)
    expected = min(networks(space, depth, operator, everything), key=look_up)
    assert not operator.all() and table.cheapest_network(depth, operator, everything) == expected


@pytest.mark.parametrize("search", SUBSETS, ids=str)
def test_of_one_network_it_is_that_network(search: tuple[str, ...], tiny: Callable[..., SpaceConfig]) -> None:
    """Stages with different numbers of layers and depths."""
    space = tiny(search)
    table, look_up = measured(space, 0)
    for seed in range(5):
        architecture = Architecture.random(space, random.Random(seed))
        only = [x > 0 for x in one_hot(architecture)]
        assert table.cheapest_network(*only) == architecture
        assert table.cheapest(*only) == pytest.approx(look_up(architecture), rel=1e-12)


def test_a_dearer_depth_wins_where_the_cheap_one_is_gone() -> None:
    space = small(("depth",))
    table = counted_cost(space, "params", SIZE, 5)
    depth, operator, width = (x > 0 for x in full(space))
    depth[0, 0] = False
    assert [len(stage) for stage in table.cheapest_network(depth, operator, width).stages] == [2, 1]


def test_a_mask_without_a_network_costs_infinity() -> None:
    depth, operator, width = (x > 0 for x in full(small()))
    width[0, :, 0] = False  # the first layer has no 3x1 width left
    assert counted_cost(small(), "params", SIZE, 5).cheapest(depth, operator, width) == float("inf")
