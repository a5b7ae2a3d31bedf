"""Expected cost: the mean over sampled networks, the exact cost at one-hot, and a gradient for every probability."""

import random
from collections.abc import Callable
from itertools import chain, combinations

import numpy as np
import pytest
import torch

from nas_space.architecture import Architecture, Layer
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.cost import cost
from nas_space.expected_cost import CostModel, Probabilities

SUBSETS = list(chain.from_iterable(combinations(DIMENSIONS, n) for n in range(5)))


def shapes(space: SpaceConfig) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    layers, operators = sum(space.layers), len(space.operators)
    return (
        (2, max(map(len, space.depth_candidates))),
        (layers, operators),
        (layers, operators, 2, len(space.width_candidates(0))),
    )


def uniform(space: SpaceConfig) -> Probabilities:
    depth, operator, width = (torch.ones(shape, dtype=torch.float64) for shape in shapes(space))
    for stage, candidates in enumerate(space.depth_candidates):
        depth[stage, len(candidates) :] = 0
    return Probabilities(*(x / x.sum(-1, keepdim=True) for x in (depth, operator, width)))


def drawn(space: SpaceConfig, seed: int) -> Probabilities:
    generator = torch.Generator().manual_seed(seed)
    p = (like * torch.rand(like.shape, generator=generator, dtype=torch.float64) ** 2 for like in uniform(space))
    return Probabilities(*(x / x.sum(-1, keepdim=True) for x in p))


def one_hot(architecture: Architecture) -> Probabilities:
    space = architecture.space
    p = Probabilities(*(torch.zeros(shape, dtype=torch.float64) for shape in shapes(space)))
    for stage, layers in enumerate(architecture.stages):
        p.depth[stage, space.depth_candidates[stage].index(len(layers))] = 1
        for j, layer in enumerate(layers):
            row, widths = sum(space.layers[:stage]) + j, space.width_candidates(stage)
            operator = space.operators.index((layer.dilation, layer.pooling))
            p.operator[row, operator] = 1
            p.width[row, operator, 0, widths.index(layer.width_3x1)] = 1
            p.width[row, operator, 1, widths.index(layer.width_1x3)] = 1
    return p


@pytest.mark.parametrize("search", SUBSETS, ids=str)
@pytest.mark.parametrize("size", [(64, 96), (45, 61)], ids=str)
def test_at_one_hot_it_is_the_exact_cost(
    search: tuple[str, ...], size: tuple[int, int], tiny: Callable[..., SpaceConfig]
) -> None:
    space = tiny(search)
    model = CostModel(space, size, 5)
    for seed in range(5):
        architecture = Architecture.random(space, random.Random(seed))
        assert model.expected_cost(one_hot(architecture)) == cost(architecture, size, 5)


def sampled(space: SpaceConfig, p: Probabilities, size: tuple[int, int], count: int) -> np.ndarray:
    """Mean cost of ``count`` networks drawn from ``p``, by the exact cost of each."""
    generator = np.random.default_rng(0)
    total = np.zeros(3)
    depth, operator, width = (x.numpy() for x in p)
    for _ in range(count):
        stages = []
        for stage, candidates in enumerate(space.depth_candidates):
            layers = []
            for j in range(candidates[generator.choice(len(candidates), p=depth[stage, : len(candidates)])]):
                row = sum(space.layers[:stage]) + j
                chosen = generator.choice(len(space.operators), p=operator[row])
                widths = [
                    generator.choice(space.width_candidates(stage), p=width[row, chosen, conv]) for conv in (0, 1)
                ]
                layers.append(Layer(*space.operators[chosen], *map(int, widths)))
            stages.append(tuple(layers))
        exact = cost(Architecture(space, tuple(stages)), size, 5)
        total += (exact.params, exact.macs_conv, exact.macs_total)
    return total / count


@pytest.mark.parametrize("seed", range(2))
def test_it_is_the_mean_over_sampled_networks(seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(widths=(32, 48), span=24, step=8)
    p = drawn(space, seed)
    mean = sampled(space, p, (45, 61), 3000)
    np.testing.assert_allclose(CostModel(space, (45, 61), 5).expected(p).numpy(), mean, rtol=0.01)


def test_sanity_numbers_of_the_specification() -> None:
    space = SpaceConfig.paper()
    model = CostModel(space, (512, 1024), 19)
    expected = model.expected_cost(uniform(space))
    assert expected.macs_conv == pytest.approx(5.55e9, abs=5e6)
    full = tuple((Layer(1, 1, width, width),) * depth for width, depth in zip(space.widths, space.layers, strict=True))
    largest = model.expected_cost(one_hot(Architecture(space, full)))
    assert (largest.params, round(largest.macs_conv / 1e6)) == (1_209_103, 14_285)
    assert model.fixed[1].item() == pytest.approx(0.594e9, abs=5e5)


def test_every_architecture_tensor_has_a_gradient() -> None:
    space = SpaceConfig.paper()
    logits = [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in shapes(space)]
    expected = CostModel(space, (512, 1024), 19).expected(Probabilities(*(x.softmax(-1) for x in logits)))
    for kind in range(3):
        alpha, beta, gamma = torch.autograd.grad(expected[kind], logits, retain_graph=True)
        # Deeper and wider cost more, pooling costs less (nothing in parameters).
        assert (alpha[:, -1] > 0).all() and (alpha[:, 0] < 0).all()
        assert (gamma[..., -1] > 0).all() and (gamma[..., 0] < 0).all()
        pooled = torch.tensor([pooling == 2 for _, pooling in space.operators])
        if kind == 0:
            assert beta.abs().max() < 1e-6
        else:
            assert (beta[:, pooled] < 0).all() and (beta[:, ~pooled] > 0).all()


def test_gradient_against_finite_differences(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(depths=((1, 2), (1, 2)), dilations=(1, 2))
    model = CostModel(space, (33, 47), 3)
    p = [x.clone().requires_grad_() for x in drawn(space, 3)]
    assert torch.autograd.gradcheck(lambda *x: model.expected(Probabilities(*x)) / 1e5, p, eps=1e-6, rtol=1e-5)


def test_existence_of_layers(tiny: Callable[..., SpaceConfig]) -> None:
    depth = torch.tensor([[0.5, 0.3, 0.2], [0.6, 0.4, 0.0]])
    existence = CostModel(tiny(), (64, 64), 3).existence(depth)
    torch.testing.assert_close(
        existence, torch.tensor([1.0, 0.5, 0.2, 1.0, 0.4, 0.4], dtype=torch.float64), rtol=0, atol=1e-7
    )


def test_dead_candidates_cost_nothing(tiny: Callable[..., SpaceConfig]) -> None:
    """A one-hot distribution says nothing about operators that do not exist: any value there must not matter."""
    space = tiny()
    architecture = Architecture(space, ((Layer(4, 2, 4, 6),), (Layer(1, 1, 8, 10),)))
    p = one_hot(architecture)
    unused = p.operator == 0
    p.width[unused] = 0.3
    p.operator[1:3] = 1 / len(space.operators)
    assert CostModel(space, (45, 61), 5).expected_cost(p).macs_total == pytest.approx(
        cost(architecture, (45, 61), 5).macs_total, rel=1e-12
    )
