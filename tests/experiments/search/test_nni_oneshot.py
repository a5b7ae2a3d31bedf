"""NNI's own one-shot strategies: what is read out of their super-networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.data import load
from experiments.options.groups import DataOptions, SpaceOptions
from experiments.search.nni_oneshot import most_probable, state_of_nni
from experiments.search.one_shot import Search
from experiments.search.options import SearchOptions
from nas_space.architecture import Architecture
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.expected_cost import Probabilities
from strategies.alive import Alive
from strategies.method import MethodOptions


def searched(name: str, search: tuple[str, ...], folder: Path) -> Any:
    """A finished search of one epoch, and its Lightning module."""
    options = SearchOptions(
        strategy=name,
        epochs=1,
        device="cpu",
        data=DataOptions(size="32x40", limit=8, batch=4),
        space=SpaceOptions(
            search=list(search), dilations=[1, 2], depths=[[1, 2], [1, 2]], widths=[24, 32], span=8, step=8
        ),
        method=MethodOptions(warmup=0.0),
    )
    run = Search(options, load(options.data), folder)
    run.execute()
    return run, run.strategy.oneshot_module


@pytest.mark.filterwarnings("ignore:.*:UserWarning:nni")
@pytest.mark.parametrize("search", [DIMENSIONS, ("dilation", "pooling"), ("width",), ("depth",)], ids="+".join)
def test_the_derived_network_is_the_supernet_at_one_hot(search: tuple[str, ...], tmp_path: Path) -> None:
    """NNI's DARTS with logits that leave no doubt computes what the network cut out of it computes.

    At full width only: NNI's batch norm does not mask, so that a narrower choice leaves the shifts of the channels it
    left out.
    """
    run, module = searched("nni-darts", search, tmp_path)
    for i, (name, alpha) in enumerate((name, p) for name, p in module.named_parameters() if "_arch_alpha" in name):
        with torch.no_grad():
            alpha.fill_(-1e4)
            alpha[-1 if "width" in name else i % len(alpha)] = 1e4
    state = state_of_nni(module, run.space.config)
    network = state.derive(state.architecture).eval()
    images = torch.randn(2, 3, 32, 40)
    with torch.no_grad():
        torch.testing.assert_close(network(images), run.space.eval()(images), rtol=1e-4, atol=1e-4)
    assert state.entropies() == {"depth": 0.0, "operator": 0.0, "width": 0.0}


@pytest.mark.filterwarnings("ignore:.*:UserWarning:nni")
@pytest.mark.parametrize("name", ["nni-darts", "nni-gumbel", "nni-proxyless"])
def test_probabilities_are_complete(name: str, tmp_path: Path) -> None:
    run, module = searched(name, ("dilation", "pooling", "depth"), tmp_path)
    state = state_of_nni(module, run.space.config)
    for p, mask in zip(state.probabilities, Alive.full(run.space.config), strict=True):
        torch.testing.assert_close(p.sum(-1), mask.any(-1).float())
    assert state.alive.counts() == Alive.full(run.space.config).counts()
    assert sum(state.entropies().values()) > 1.0


@pytest.mark.parametrize("search", [DIMENSIONS, ("dilation",), ("width", "depth"), ()], ids=str)
def test_most_probable(search: tuple[str, ...], tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(search)
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        masks = Alive.full(space)
        p = Probabilities(*(torch.rand(mask.shape, generator=generator) * mask for mask in masks))
        chosen = most_probable(space, p)
        assert chosen == Architecture.from_sample(space, chosen.to_sample())
        only = Alive.only(chosen)
        for level, mask in zip(p, only, strict=True):
            decided = mask.any(-1)
            assert torch.equal(level.argmax(-1)[decided], mask.int().argmax(-1)[decided])
