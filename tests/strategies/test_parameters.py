"""Architecture parameters: masks of equation 5, entropies, argmax, and logits that stay where they died."""

import math
from collections.abc import Callable

import pytest
import torch

from nas_space.architecture import Architecture
from nas_space.config import DIMENSIONS, SpaceConfig, operator_name
from strategies.alive import LEVELS, Alive
from strategies.parameters import ArchitectureParameters
from strategies.relaxation import IndependentSigmoids, SigmoidNormalised, Softmax, UniformAtFirst


def make(space: SpaceConfig, seed: int = 0, scale: float = 2.0) -> ArchitectureParameters:
    parameters = ArchitectureParameters(space, SigmoidNormalised(), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for logits in parameters.logits():
            logits.mul_(1000 * scale)
    return parameters


def survivors(space: SpaceConfig, seed: int) -> Alive:
    """Random masks, consistent, with a survivor in every choice."""
    generator = torch.Generator().manual_seed(seed)
    full = Alive.full(space)
    masks = Alive(*(mask & (torch.rand(mask.shape, generator=generator) > 0.5) for mask in full))
    for mask in masks:
        mask[..., 0] |= mask.sum(-1) == 0
    return masks.cascade(space)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("search", [(), ("width",), ("depth",), ("dilation", "pooling"), DIMENSIONS], ids=str)
def test_one_tensor_a_level(search: tuple[str, ...], tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(search)
    alpha, beta, gamma = make(space).logits()
    layers, operators = sum(space.layers), len(space.operators)
    assert alpha.shape == (2, max(map(len, space.depth_candidates)))
    assert beta.shape == (layers, operators)
    assert gamma.shape == (layers, operators, 2, len(space.width_candidates(0)))


def test_parts_are_drawn_in_training_and_equal_in_a_validation() -> None:
    space = SpaceConfig.compact()
    relaxation = UniformAtFirst(SigmoidNormalised(), 0.5, 1.0)
    relaxation.advance(0.0)
    parameters = ArchitectureParameters(space, relaxation)

    def depth() -> torch.Tensor:
        parameters.refresh()
        return torch.stack(parameters.depth_weights(0)).detach()

    assert not depth().equal(depth())
    parameters.eval()
    count = len(space.depth_candidates[0])
    torch.testing.assert_close(depth()[:count], torch.full((count,), 1 / count))
    assert depth().equal(depth())


def test_initial_logits_are_small_and_seeded() -> None:
    space = SpaceConfig.compact()
    first, again, other = (
        ArchitectureParameters(space, Softmax(), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    for a, b, c in zip(first.logits(), again.logits(), other.logits(), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)
    assert float(first.gamma.detach().std()) == pytest.approx(1e-3, rel=0.1)
    assert sum(logits.numel() for logits in first.logits()) == space.sizes()["architecture_parameters"]


@pytest.mark.parametrize("seed", range(3))
def test_masks_are_equation_5(seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    """m_c = sum over widths of at least c of p_k, channel by channel."""
    space = tiny()
    parameters = make(space, seed)
    parameters.set_alive(survivors(space, seed))
    parameters.refresh()
    for stage, count in enumerate(space.layers):
        for j in range(count):
            row = sum(space.layers[:stage]) + j
            for o in range(len(space.operators)):
                for conv, masks in enumerate(
                    (parameters.layer_weights(row).mask_3x1, parameters.layer_weights(row).mask_1x3)
                ):
                    living = [
                        (k, c)
                        for k, c in enumerate(space.width_candidates(stage))
                        if parameters.alive_width[row, o, conv, k]
                    ]
                    activated = {c: sigmoid(float(parameters.gamma[row, o, conv, k].detach())) for k, c in living}
                    total = sum(activated.values()) or 1.0
                    expected = [
                        sum(v for c, v in activated.items() if c >= channel) / total
                        for channel in range(1, space.widths[stage] + 1)
                    ]
                    assert masks[o].tolist() == pytest.approx(expected, abs=1e-6)
                    mean = sum(c * v for c, v in activated.items()) / total
                    assert float(masks[o].sum().detach()) == pytest.approx(mean, abs=1e-4)  # sum_c m_c = E[c]


def test_masks_of_the_paper_fall_over_the_last_32_channels() -> None:
    parameters = make(SpaceConfig.paper())
    parameters.refresh()
    mask = parameters.layer_weights(16).mask_1x3[3].detach()
    torch.testing.assert_close(mask[:96], torch.ones(96), rtol=0, atol=1e-6)
    assert (mask.diff() <= 1e-7).all()
    torch.testing.assert_close(mask[124:], parameters.probabilities().width[16, 3, 1, 8].detach().expand(4))


def test_weights_are_those_of_the_relaxation(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    parameters = make(space)
    parameters.relaxation = IndependentSigmoids()
    parameters.refresh()
    weights = parameters.layer_weights(2)
    mixed = torch.stack(weights.mask_1x3) * parameters.beta[2].sigmoid()[:, None]
    torch.testing.assert_close(torch.stack(weights.weighted), mixed)
    depth_weights = torch.stack(parameters.depth_weights(1))
    torch.testing.assert_close(depth_weights, parameters.alpha[1].sigmoid() * torch.tensor([1.0, 1.0, 0.0]))


def test_a_width_without_alternatives_masks_nothing(tiny: Callable[..., SpaceConfig]) -> None:
    """Also where weights need not sum to 1."""
    space = tiny(("dilation", "depth"))
    parameters = make(space)
    parameters.relaxation = IndependentSigmoids()
    parameters.refresh()
    for layer in range(sum(space.layers)):
        weights = parameters.layer_weights(layer)
        assert all(bool((mask == 1).all()) for mask in (*weights.mask_3x1, *weights.mask_1x3))


def test_probabilities_sum_to_one_where_a_choice_exists(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    parameters = make(space)
    parameters.set_alive(survivors(space, 1))
    for p, mask in zip(parameters.probabilities(), parameters.alive, strict=True):
        torch.testing.assert_close(p.sum(-1), mask.any(-1).float(), rtol=0, atol=1e-6)
        assert not p[~mask].any()


@pytest.mark.parametrize("seed", range(3))
def test_entropies_in_closed_form(seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    parameters = make(space, seed)
    parameters.set_alive(survivors(space, seed))
    found = parameters.entropies()
    for level, logits, alive in zip(LEVELS, parameters.logits(), parameters.alive, strict=True):
        total = 0.0
        width = logits.shape[-1]
        for values, mask in zip(logits.reshape(-1, width).tolist(), alive.reshape(-1, width).tolist(), strict=True):
            activated = [sigmoid(v) for v, left in zip(values, mask, strict=True) if left]
            total -= sum(a / sum(activated) * math.log(a / sum(activated)) for a in activated)
        assert float(found[level].detach()) == pytest.approx(total, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("search", [("dilation",), ("dilation", "pooling"), DIMENSIONS], ids=str)
def test_entropy_at_a_uniform_start_is_the_spaces(search: tuple[str, ...]) -> None:
    space = SpaceConfig.paper(search)
    parameters = make(space, scale=0.0)
    total = sum(float(value.detach()) for value in parameters.entropies().values())
    assert total == pytest.approx(space.sizes()["entropy_nats"], rel=1e-5)


def test_entropy_of_a_decided_search_is_zero(tiny: Callable[..., SpaceConfig]) -> None:
    parameters = make(tiny())
    parameters.set_alive(Alive.only(parameters.architecture()))
    assert all(float(value.detach()) == 0 for value in parameters.entropies().values())


@pytest.mark.parametrize("search", [(), ("width",), ("depth", "pooling"), DIMENSIONS], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_architecture_is_the_argmax_of_every_choice(
    search: tuple[str, ...], seed: int, tiny: Callable[..., SpaceConfig]
) -> None:
    space = tiny(search)
    parameters = make(space, seed)
    table = {label: max(p, key=p.__getitem__) for label, p in parameters.labelled_probabilities().items()}
    used = {label: int(value) if value.isdigit() else value for label, value in table.items()}
    assert parameters.architecture() == Architecture.from_sample(space, used)


@pytest.mark.parametrize("seed", range(5))
def test_architecture_is_made_of_survivors(seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    parameters = make(space, seed)
    parameters.set_alive(survivors(space, seed))
    only = Alive.only(parameters.architecture())
    assert all(not (mine & ~left).any() for mine, left in zip(only, parameters.alive, strict=True))


def test_the_only_survivors_are_the_architecture(tiny: Callable[..., SpaceConfig]) -> None:
    import random

    for seed in range(5):
        architecture = Architecture.random(tiny(), random.Random(seed))
        parameters = make(tiny(), seed)
        parameters.set_alive(Alive.only(architecture))
        assert parameters.architecture() == architecture


def test_ratios_are_finite_after_a_shrink(tiny: Callable[..., SpaceConfig]) -> None:
    parameters = make(tiny())
    parameters.set_alive(survivors(tiny(), 0))
    for ratio, mask in zip(parameters.ratios(), parameters.alive, strict=True):
        assert torch.isfinite(ratio).all()
        assert not ratio[~mask].any() and (ratio.amax(-1)[mask.any(-1)] == 1).all()


def test_rescale_keeps_probabilities_and_dead_logits(tiny: Callable[..., SpaceConfig]) -> None:
    parameters = make(tiny(), scale=3.0)
    alive = survivors(tiny(), 2)
    parameters.set_alive(alive)
    before = [p.detach() for p in parameters.probabilities()]
    dead = [logits.detach()[~mask].clone() for logits, mask in zip(parameters.logits(), alive, strict=True)]
    parameters.rescale()
    for p, old in zip(parameters.probabilities(), before, strict=True):
        torch.testing.assert_close(p.detach(), old, rtol=1e-5, atol=1e-7)
    for logits, mask, old in zip(parameters.logits(), alive, dead, strict=True):
        assert torch.equal(logits.detach()[~mask], old)
        largest = logits.sigmoid().masked_fill(~mask, 0.0).amax(-1)[mask.any(-1)]
        torch.testing.assert_close(largest, torch.full_like(largest, 0.5), rtol=0, atol=1e-6)


def test_labelled_probabilities_name_every_choice(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    parameters = make(space)
    table = parameters.labelled_probabilities()
    assert len(table) == space.sizes()["choices"]
    assert all(sum(p.values()) == pytest.approx(1, abs=1e-5) for p in table.values())
    name = operator_name(*space.operators[4])
    assert table["stage2/layer1/op"][name] == pytest.approx(
        float(parameters.probabilities().operator[3, 4].detach()), abs=1e-7
    )
    assert table[f"stage2/layer1/{name}/width_1x3"]["10"] == pytest.approx(
        float(parameters.probabilities().width[3, 4, 1, 1].detach()), abs=1e-7
    )


def test_state_dict_holds_logits_and_masks_alone(tiny: Callable[..., SpaceConfig]) -> None:
    assert set(make(tiny()).state_dict()) == {"alpha", "beta", "gamma", "alive_depth", "alive_operator", "alive_width"}
