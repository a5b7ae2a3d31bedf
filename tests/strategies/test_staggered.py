"""One layer's operators are decided after the other: who is pressed when, whose logits begin anew, what is shared."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from strategies.alive import Alive, Ratios
from strategies.method import LAST, MethodOptions
from strategies.parameters import ArchitectureParameters
from strategies.relaxation import SigmoidNormalised
from strategies.ssr import SSR
from strategies.staggered import Staggered

Space = Callable[..., SpaceConfig]
METHOD = MethodOptions(h=0.1, warmup=0.1, explore=0.1, stagger=True)


def started(space: SpaceConfig, method: MethodOptions = METHOD) -> tuple[Staggered, Alive]:
    rule, alive = Staggered(method), Alive.full(space)
    rule.start(alive)
    return rule, alive


def ratios_of(alive: Alive, margins: dict[int, float] | None = None) -> Ratios:
    """1 everywhere; in the given layers, all operators but the second one are ``exp(-margin)`` of it."""
    ratios = Alive(*(mask.double() for mask in alive))
    for layer, margin in (margins or {}).items():
        ratios.operator[layer] = torch.exp(torch.tensor(-margin, dtype=torch.float64)) * alive.operator[layer]
        ratios.operator[layer, 1] = 1.0
    return ratios


def layers(alive: Alive) -> list[int]:
    return alive.operator.any(-1).nonzero()[:, 0].tolist()


def test_the_most_certain_layer_is_pressed_first(tiny: Space) -> None:
    rule, alive = started(tiny())
    count = len(alive.operator)
    slot = (1 - LAST - 0.2) / count
    assert layers(rule.pressed(alive)) == []
    kept = rule.keep(ratios_of(alive, {1: 5.0}), alive, 0.2 + 0.49 * slot)
    assert layers(rule.pressed(kept)) == [] and all(map(torch.equal, kept, alive))  # evidence is gathered
    rule.keep(ratios_of(alive, {0: 0.5, 2: 1.0, 1: 0.7}), alive, 0.2 + 0.5 * slot)
    pressed = rule.pressed(alive)
    assert layers(pressed) == [2] and not pressed.depth.any() and not pressed.width.any()
    rule.keep(ratios_of(alive, {1: 9.0}), alive, 0.2 + 1.49 * slot)
    assert layers(rule.pressed(alive)) == [2]  # it stays until it is decided
    rule.keep(ratios_of(alive, {1: 9.0}), alive, 0.2 + 1.5 * slot)
    assert layers(rule.pressed(alive)) == [1, 2]  # the schedule waits for nobody


def test_the_threshold_removes_what_is_pressed_alone(tiny: Space) -> None:
    rule, alive = started(tiny())
    count = len(alive.operator)
    ratios = ratios_of(alive, {layer: 3.0 + (layer == 1) for layer in range(count)})
    ratios.depth[0, 0] = ratios.width[..., 0] = 0.01
    progress = 0.2 + 0.6 * (1 - LAST - 0.2) / count
    assert all(map(torch.equal, rule.keep(ratios, alive, progress), alive))
    kept = rule.keep(ratios, alive, progress)
    assert kept.operator.sum(-1).tolist() == [1 if layer == 1 else alive.operator.shape[1] for layer in range(count)]
    assert torch.equal(kept.depth, alive.depth) and torch.equal(kept.width, alive.width)
    rule.keep(ratios, alive, 1 - LAST)
    assert all(map(torch.equal, rule.pressed(alive), alive))
    last = rule.keep(ratios, alive, 0.9)
    assert (last.operator.sum(-1) == 1).all() and not last.depth[0, 0] and not last.width[..., 0].any()


@pytest.mark.parametrize("epochs", [4, 10, 40])
def test_by_the_end_of_its_part_every_layer_has_had_its_turn(epochs: int, tiny: Space) -> None:
    rule, alive = started(tiny())
    count, turns = len(alive.operator), []
    for epoch in range(1, epochs + 1):
        ratios = ratios_of(alive, {layer: 3.0 + layer for layer in range(count)})
        before, alive = alive, rule.keep(ratios, alive, epoch / epochs)
        turns += ((before.operator.sum(-1) > 1) & (alive.operator.sum(-1) == 1)).nonzero()[:, 0].tolist()
    assert turns == sorted(turns, reverse=True) and len(turns) == count if epochs == 40 else len(turns) == count


def test_the_others_begin_anew_then_depth_and_width(tiny: Space) -> None:
    rule, alive = started(tiny())
    count = len(alive.operator)
    rule.keep(ratios_of(alive, {1: 3.0}), alive, 0.2 + 0.6 * (1 - LAST - 0.2) / count)
    decided = alive.clone()
    decided.operator[1] = False
    decided.operator[1, 1] = True
    assert rule.renewed(alive, alive) is None
    renewed = rule.renewed(alive, decided)
    assert renewed is not None and layers(renewed) == [layer for layer in range(count) if layer != 1]
    assert not renewed.depth.any() and not renewed.width.any()
    all_decided = decided.clone()
    all_decided.operator[:] = False
    all_decided.operator[:, 0] = True
    renewed = rule.renewed(decided, all_decided)
    assert renewed is not None and not renewed.operator.any() and renewed.depth.any() and renewed.width.any()


def test_without_operators_depth_and_width_are_pressed_at_once(tiny: Space) -> None:
    rule, alive = started(tiny(search=("width", "depth")))
    assert all(map(torch.equal, rule.pressed(alive), alive))


def test_the_regularizer_acts_where_it_presses(tiny: Space) -> None:
    from tests.strategies.test_search_module import prepare

    module = prepare(SSR(METHOD), tiny())
    rule, parameters = module.composition.shrinking, module.architecture_parameters
    assert isinstance(rule, Staggered)
    alive = parameters.alive
    rule.keep(ratios_of(alive, {1: 3.0}), alive, 0.2 + 0.6 * (1 - LAST - 0.2) / len(alive.operator))
    for logits in parameters.logits():
        logits.requires_grad_(True)
    gradients = torch.autograd.grad(module.bilevel.regularization(0.5), parameters.logits())
    assert not gradients[0].any() and not gradients[2].any()
    assert gradients[1][1].all() and not gradients[1][[0, *range(2, len(alive.operator))]].any()


def test_a_restart_draws_what_is_renewed_alone(tiny: Space) -> None:
    parameters = ArchitectureParameters(tiny(), SigmoidNormalised())
    with torch.no_grad():
        for logits in parameters.logits():
            logits.fill_(3.0)
    renewed = Alive(*(torch.zeros_like(mask) for mask in parameters.alive))
    renewed.operator[0] = True
    parameters.restart(renewed)
    assert parameters.beta[0].abs().max() < 0.1 and (parameters.beta[1:] == 3.0).all()
    assert (parameters.alpha == 3.0).all() and (parameters.gamma == 3.0).all()


def test_its_memory_is_resumed(tiny: Space) -> None:
    rule, alive = started(tiny())
    rule.keep(ratios_of(alive, {1: 3.0}), alive, 0.2 + 0.6 * (1 - LAST - 0.2) / len(alive.operator))
    again, _ = started(tiny())
    again.load_state_dict(rule.state_dict())
    assert layers(again.pressed(alive)) == [1]


def test_operators_share_their_width_logits(tiny: Space) -> None:
    parameters = ArchitectureParameters(tiny(), SigmoidNormalised(), shares_widths=True)
    gamma = parameters.gamma

    def same(tensor: Tensor) -> bool:
        return torch.equal(tensor, tensor[:, :1].expand_as(tensor))

    assert same(gamma) and not torch.equal(gamma[:, :, 0], gamma[:, :, 1])
    gamma.grad = torch.randn_like(gamma)
    total = gamma.grad.sum(1)
    parameters.share_gradients()
    assert same(gamma.grad) and torch.equal(gamma.grad[:, 0], total)
    parameters.restart(parameters.alive)
    assert same(gamma)
    apart = ArchitectureParameters(tiny(), SigmoidNormalised())
    apart.gamma.grad = torch.randn_like(gamma)
    before = apart.gamma.grad.clone()
    apart.share_gradients()
    assert not same(apart.gamma) and torch.equal(apart.gamma.grad, before)


def test_a_restart_keeps_what_the_living_have_learnt(tiny: Space) -> None:
    """Operator 0 is gone: what stands in its place counts no more."""
    parameters = ArchitectureParameters(tiny(), SigmoidNormalised(), shares_widths=True)
    alive = parameters.alive.clone()
    alive.operator[0, 0] = False
    parameters.set_alive(alive.cascade(parameters.space))
    with torch.no_grad():
        parameters.gamma[0, 1:] = 2.0
        parameters.gamma[0, 0] = -5.0
    parameters.restart(Alive(*(torch.zeros_like(mask) for mask in alive)))
    assert (parameters.gamma[0] == 2.0).all()


def test_the_last_layer_renews_depth_and_width_also_at_the_end_of_its_part(tiny: Space) -> None:
    rule, alive = started(tiny())
    rule.keep(ratios_of(alive, {0: 9.0}), alive, 1 - LAST - 0.01)
    last = alive.clone()
    last.operator[1:] = False
    last.operator[1:, 0] = True
    kept = rule.keep(ratios_of(last, {0: 9.0}), last, 1 - LAST)
    assert (kept.operator.sum(-1) == 1).all()
    renewed = rule.renewed(last, kept)
    assert renewed is not None and renewed.depth.any() and renewed.width.any()


@pytest.mark.parametrize(("warmup", "explore"), [(0.5, 0.2), (0.6, 0.2)])
def test_phases_that_leave_no_turn_are_refused(warmup: float, explore: float) -> None:
    with pytest.raises(InputError, match="must be below 0.7 with method.stagger"):
        MethodOptions(warmup=warmup, explore=explore, stagger=True).check()
    MethodOptions(warmup=warmup, explore=explore).check()
