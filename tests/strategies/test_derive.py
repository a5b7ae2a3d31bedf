"""The plain network that a super-network holds, weights included."""

import copy
import random
from collections.abc import Callable

import pytest
import torch

from nas_space.architecture import Architecture, baseline1
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.space import JointSpace
from strategies.alive import Alive
from strategies.derive import derive_network
from strategies.supernet import shrink_supernet


@pytest.mark.parametrize("size", [(32, 32), (41, 55)], ids=str)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("narrowed", [True, False], ids=("narrowed", "masked"))
def test_one_survivor_everywhere_gives_the_same_logits(
    narrowed: bool,
    seed: int,
    size: tuple[int, int],
    tiny: Callable[..., SpaceConfig],
    supernet: Callable[..., JointSpace],
) -> None:
    space = tiny()
    architecture = Architecture.random(space, random.Random(seed))
    model = supernet(space, seed, torch.float32).eval()
    model.architecture_parameters.set_alive(Alive.only(architecture))  # type: ignore[union-attr, operator]
    if narrowed:
        shrink_supernet(model.stages(), Alive.only(architecture))
    network = derive_network(model, architecture)
    assert network.architecture == architecture and not network.training
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(network(image), model(image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stages", [3, 4])
@pytest.mark.parametrize("narrowed", [True, False], ids=("narrowed", "masked"))
def test_no_gap_with_more_stages_of_different_widths(
    narrowed: bool, stages: int, deep: Callable[..., SpaceConfig], supernet: Callable[..., JointSpace]
) -> None:
    space = deep(stages)
    architecture = Architecture.random(space, random.Random(stages))
    model = supernet(space, stages, torch.float32).eval()
    model.architecture_parameters.set_alive(Alive.only(architecture))  # type: ignore[union-attr, operator]
    if narrowed:
        shrink_supernet(model.stages(), Alive.only(architecture))
    network = derive_network(model, architecture)
    image = torch.randn(2, 3, 69, 75)
    with torch.no_grad():
        torch.testing.assert_close(network(image), model(image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("search", [(), ("depth",), ("width",), ("dilation", "pooling"), DIMENSIONS], ids=str)
def test_in_training_too_and_in_every_space(
    search: tuple[str, ...], tiny: Callable[..., SpaceConfig], supernet: Callable[..., JointSpace]
) -> None:
    space = tiny(search)
    architecture = Architecture.random(space, random.Random(5))
    model = supernet(space, 5, torch.float32).train()
    model.architecture_parameters.set_alive(Alive.only(architecture))  # type: ignore[union-attr, operator]
    shrink_supernet(model.stages(), Alive.only(architecture))
    network = derive_network(model, architecture)
    assert network.training
    image = torch.randn(2, 3, 39, 50)
    torch.testing.assert_close(network(image), model(image), rtol=1e-4, atol=1e-5)
    model.eval()
    network.eval()
    torch.testing.assert_close(network(image), model(image), rtol=1e-4, atol=1e-5)  # running statistics moved alike


def test_before_the_end_it_is_the_discretised_network(
    tiny: Callable[..., SpaceConfig], supernet: Callable[..., JointSpace], survivors: Callable[..., Alive]
) -> None:
    """Taken from a mixture, it equals that super-network once all other candidates are masked."""
    space = tiny()
    model, alive = supernet(space, 1, torch.float32).eval(), survivors(space, 1, 0.8)
    model.architecture_parameters.set_alive(alive)  # type: ignore[union-attr, operator]
    shrink_supernet(model.stages(), alive)
    architecture = model.architecture_parameters.architecture()  # type: ignore[union-attr, operator]
    network = derive_network(model, architecture)
    image = torch.randn(1, 3, 45, 33)
    with torch.no_grad():
        assert float((network(image) - model(image)).abs().max()) > 1e-3
        model.architecture_parameters.set_alive(Alive.only(architecture))  # type: ignore[union-attr, operator]
        torch.testing.assert_close(network(image), model(image), rtol=1e-5, atol=1e-5)


def test_the_weights_are_copies(tiny: Callable[..., SpaceConfig], supernet: Callable[..., JointSpace]) -> None:
    space = tiny()
    model = supernet(space, 0, torch.float32)
    before = copy.deepcopy(model.state_dict())
    network = derive_network(model, baseline1(space))
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.zero_()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert sum(p.numel() for p in network.parameters()) < sum(p.numel() for p in model.parameters())
