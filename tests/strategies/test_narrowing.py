"""Narrowing during training: exact slices, an optimiser that follows, and memory that comes back."""

import copy
import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from nas_space.blocks import FactorizedConv
from nas_space.config import SpaceConfig
from nas_space.space import JointSpace
from strategies.alive import Alive
from strategies.narrowing import ParameterChanges, follow_changes, narrow
from strategies.supernet import shrink_supernet

WIDTHS = [(8, 8), (5, 8), (8, 3), (2, 6), (1, 1)]


def trained(dilation: int = 2) -> FactorizedConv:
    conv = FactorizedConv(8, 8, 8, dilation)
    for _ in range(3):
        conv(torch.randn(4, 8, 9, 9))
    nn.init.normal_(conv.bn.weight)
    nn.init.normal_(conv.bn.bias)
    return conv


@pytest.mark.parametrize(("first", "second"), WIDTHS)
@pytest.mark.parametrize("training", [True, False], ids=("train", "eval"))
def test_what_is_kept_is_exact(first: int, second: int, training: bool) -> None:
    conv = trained().train(training)
    x = torch.randn(2, 8, 9, 7)
    wide = copy.deepcopy(conv)
    y = torch.relu(wide.conv3x1(x))
    y[:, first:] = 0
    expected = wide.bn(wide.conv1x3(y))[:, :second]
    narrow(conv, first, second, ParameterChanges())
    torch.testing.assert_close(conv(x), expected, rtol=1e-5, atol=1e-5)
    assert (conv.conv3x1.out_channels, conv.conv1x3.in_channels, conv.conv1x3.out_channels, conv.bn.num_features) == (
        first,
        first,
        second,
        second,
    )
    torch.testing.assert_close(conv.bn.running_mean, wide.bn.running_mean[:second])  # type: ignore[index]
    torch.testing.assert_close(conv.bn.running_var, wide.bn.running_var[:second])  # type: ignore[index]
    assert "running_mean" in dict(conv.bn.named_buffers())


def test_only_what_gets_smaller_is_replaced() -> None:
    conv, changes = trained(), ParameterChanges()
    before = dict(conv.named_parameters())
    narrow(conv, 8, 8, changes)
    assert not changes.replaced and all(before[name] is p for name, p in conv.named_parameters())
    narrow(conv, 8, 5, changes)
    new = {name for name, p in conv.named_parameters() if p is not before[name]}
    assert new == {"conv1x3.weight", "conv1x3.bias", "bn.weight", "bn.bias"}
    assert {id(p) for p in changes.replaced} == {id(before[name]) for name in new}


@pytest.mark.parametrize("trainable", [True, False])
def test_slices_own_their_memory(trainable: bool) -> None:
    conv = trained()
    conv.requires_grad_(trainable)
    narrow(conv, 2, 3, ParameterChanges())
    for tensor in (*conv.parameters(), conv.bn.running_mean, conv.bn.running_var):
        assert tensor is not None and tensor.is_contiguous() and tensor.untyped_storage().nbytes() == 4 * tensor.numel()
    assert all(p.is_leaf and p.requires_grad is trainable for p in conv.parameters())


OPTIMIZERS: list[Callable[[list[dict[str, object]]], Optimizer]] = [
    lambda groups: Adam(groups, lr=0.01, weight_decay=0.01),
    lambda groups: AdamW(groups, lr=0.01, amsgrad=True),
    lambda groups: SGD(groups, lr=0.01, momentum=0.9),
]


@pytest.mark.parametrize("make", OPTIMIZERS, ids=("adam", "adamw", "sgd"))
def test_the_optimiser_follows(make: Callable[[list[dict[str, object]]], Optimizer]) -> None:
    """Places in the groups, moments sliced as their parameters, steps kept, the deleted forgotten."""
    convs = [trained() for _ in range(3)]
    names = [(i, name) for i, conv in enumerate(convs) for name, _ in conv.named_parameters()]
    all_parameters = [p for conv in convs for p in conv.parameters()]
    optimizer = make([{"params": all_parameters[:8]}, {"params": all_parameters[8:], "lr": 0.5}])
    for _ in range(3):
        sum((conv(torch.randn(2, 8, 9, 9)).square().sum() for conv in convs), torch.zeros(())).backward()
        optimizer.step()
    state = {key: copy.deepcopy(dict(optimizer.state[p])) for key, p in zip(names, all_parameters, strict=True)}
    changes = ParameterChanges()
    narrow(convs[0], 5, 3, changes)
    changes.delete(convs[1])
    follow_changes(optimizer, changes)
    left = [(i, name, p) for i in (0, 2) for name, p in convs[i].named_parameters()]
    in_groups = [p for group in optimizer.param_groups for p in group["params"]]
    assert len(in_groups) == len(left) and all(a is b for a, (_, _, b) in zip(in_groups, left, strict=True))
    assert [len(group["params"]) for group in optimizer.param_groups] == [6, 6]
    assert optimizer.param_groups[1]["lr"] == 0.5
    assert {id(p) for p in optimizer.state} == {id(p) for p in in_groups}
    for i, name, p in left:
        for key, value in optimizer.state[p].items():
            old = state[i, name][key]
            if isinstance(value, Tensor) and value.dim():
                torch.testing.assert_close(value, old[tuple(slice(n) for n in p.shape)], rtol=0, atol=0)
                assert value.untyped_storage().nbytes() == 4 * value.numel()
            else:
                assert value == old
    sum((conv(torch.randn(2, 8, 9, 9)).square().sum() for conv in (convs[0], convs[2])), torch.zeros(())).backward()
    optimizer.step()


def test_an_optimiser_that_has_not_stepped() -> None:
    conv, changes = trained(), ParameterChanges()
    optimizer = Adam(conv.parameters())
    narrow(conv, 4, 4, changes)
    follow_changes(optimizer, changes)
    assert not optimizer.state
    assert all(a is b for a, b in zip(optimizer.param_groups[0]["params"], conv.parameters(), strict=True))


def weight_step(model: JointSpace, optimizer: Adam, image: Tensor) -> None:
    optimizer.zero_grad()
    model(image).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("seed", range(3))
def test_training_goes_on_as_if_masked(
    seed: int, tiny: Callable[..., SpaceConfig], supernet: Callable[..., JointSpace], survivors: Callable[..., Alive]
) -> None:
    """Narrowed network and optimiser against a copy of full width with zero masks: same weights after more steps."""
    space = tiny()
    model, alive = supernet(space, seed), survivors(space, seed, 0.6)
    model.architecture_parameters.requires_grad_(False)  # type: ignore[union-attr, operator]
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = Adam(weights, lr=0.01, weight_decay=0.001)
    images = torch.randn(7, 2, 3, 33, 40, dtype=torch.float64)
    for image in images[:3]:
        weight_step(model, optimizer, image)
    wide, wide_optimizer = copy.deepcopy((model, optimizer))
    for network in (model, wide):
        network.architecture_parameters.set_alive(alive)  # type: ignore[union-attr, operator]
    shrink_supernet(model.stages(), alive, optimizer)
    assert sum(p.numel() for p in model.parameters()) < sum(p.numel() for p in wide.parameters())
    for image in images[3:]:
        weight_step(model, optimizer, image)
        weight_step(wide, wide_optimizer, image)
    full = dict(wide.state_dict())
    compared = 0
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(
                value,
                full[name][tuple(slice(n) for n in value.shape)],
                rtol=1e-9,
                atol=1e-9,
                msg=lambda text, name=name: f"{name}: {text}",
            )
            compared += 1
    assert compared > 30
    by_name = {name: p for name, p in wide.named_parameters()}
    for name, p in model.named_parameters():
        if p in optimizer.state:
            assert optimizer.state[p]["step"] == wide_optimizer.state[by_name[name]]["step"]


def test_forgetting_the_optimiser_would_show(
    tiny: Callable[..., SpaceConfig], supernet: Callable[..., JointSpace], survivors: Callable[..., Alive]
) -> None:
    """The test above can fail: without sliced moments the weights differ."""
    space = tiny()
    results = []
    for keep in (True, False):
        model, alive = supernet(space), survivors(space, 0, 0.6)
        model.architecture_parameters.requires_grad_(False)  # type: ignore[union-attr, operator]
        optimizer = Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
        torch.manual_seed(0)
        for _ in range(2):
            weight_step(model, optimizer, torch.randn(2, 3, 33, 40, dtype=torch.float64))
        model.architecture_parameters.set_alive(alive)  # type: ignore[union-attr, operator]
        shrink_supernet(model.stages(), alive, optimizer)
        if not keep:
            optimizer.state.clear()
        weight_step(model, optimizer, torch.randn(2, 3, 33, 40, dtype=torch.float64))
        results.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert float((results[0] - results[1]).abs().max()) > 1e-4


def test_deleted_memory_is_freed(
    tiny: Callable[..., SpaceConfig], supernet: Callable[..., JointSpace], survivors: Callable[..., Alive]
) -> None:
    space = tiny()
    model, alive = supernet(space), survivors(space, 0)
    optimizer = Adam(model.parameters(), lr=0.01)
    weight_step(model, optimizer, torch.randn(2, 3, 33, 40, dtype=torch.float64))
    parameters = {name: weakref.ref(p) for name, p in model.named_parameters()}
    moments = {
        name: weakref.ref(optimizer.state[p]["exp_avg"]) for name, p in model.named_parameters() if p in optimizer.state
    }
    buffers = {name: weakref.ref(b) for name, b in model.named_buffers() if "running" in name}
    shapes = {name: p.shape for name, p in model.named_parameters()}
    model.architecture_parameters.set_alive(alive)  # type: ignore[union-attr, operator]
    shrink_supernet(model.stages(), alive, optimizer)
    gc.collect()
    now = dict(model.named_parameters())
    changed = {name for name, shape in shapes.items() if name not in now or now[name].shape != shape}
    assert len(changed) > 20 and len(changed) < len(shapes)
    for name, reference in parameters.items():
        assert (reference() is None) == (name in changed), name
        if name in moments:
            assert (moments[name]() is None) == (name in changed), name
    gone = [name for name in buffers if name not in dict(model.named_buffers())]
    assert gone and all(buffers[name]() is None for name in gone)
