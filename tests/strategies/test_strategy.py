"""The one-shot strategy as NNI sees it: mutation of every subset of dimensions, labels, loaders, export."""

import subprocess
import sys
from collections.abc import Callable
from itertools import chain, combinations
from pathlib import Path

import pytest
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, Repeat
from torch import nn

from nas_space.architecture import Architecture
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork
from nas_space.space import JointSpace
from strategies.darts import DARTS
from strategies.method import MethodOptions
from strategies.parameters import ArchitectureParameters
from strategies.search_module import SearchModule
from strategies.ssr import SSR
from strategies.strategy import DifferentiableStrategy
from strategies.supernet import MixedStage

SUBSETS = list(chain.from_iterable(combinations(DIMENSIONS, n) for n in range(5)))
Space = Callable[..., SpaceConfig]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("search", SUBSETS, ids=str)
@pytest.mark.parametrize("kind", [SSR, DARTS], ids=("ssr", "darts"))
def test_every_subset_of_dimensions(kind: type[SSR] | type[DARTS], search: tuple[str, ...], tiny: Space) -> None:
    """Mutated, it runs, gives every searched level a gradient, and exports a value for every label."""
    space = tiny(search)
    labels = {label: list(mutable.values) for label, mutable in JointSpace(space, 3).simplify().items()}
    model = kind(MethodOptions()).mutate_model(JointSpace(space, 3))
    parameters = model.architecture_parameters
    assert isinstance(parameters, ArchitectureParameters)
    assert all(isinstance(stage, MixedStage) for stage in model.stages())
    assert not any(isinstance(module, LayerChoice | MutableConv2d | Repeat) for module in model.modules())
    assert set(model.simplify()) == set(labels)
    model(torch.randn(2, 3, 33, 47)).square().sum().backward()
    for logits, dimensions in zip(parameters.logits(), (("depth",), ("dilation", "pooling"), ("width",)), strict=True):
        has_gradient = logits.grad is not None and bool((logits.grad != 0).any())
        assert has_gradient == any(dimension in search for dimension in dimensions)
    sample = parameters.architecture().to_sample()
    assert set(sample) == set(labels) and all(sample[label] in labels[label] for label in labels)
    frozen = JointSpace(space, 3).freeze(sample)
    network = SegmentationNetwork(Architecture.from_sample(space, sample), 3)
    assert sum(p.numel() for p in frozen.parameters()) == sum(p.numel() for p in network.parameters())


def test_every_choice_gets_a_gradient(tiny: Space) -> None:
    model = SSR(MethodOptions()).mutate_model(JointSpace(tiny(), 3))
    model(torch.randn(2, 3, 49, 47)).square().sum().backward()
    parameters = model.architecture_parameters
    assert isinstance(parameters, ArchitectureParameters)
    for logits, mask in zip(parameters.logits(), parameters.alive, strict=True):
        assert logits.grad is not None
        assert (logits.grad[mask] != 0).all() and not logits.grad[~mask].any()


def test_parameters_are_attached_once_and_in_place(tiny: Space) -> None:
    space = JointSpace(tiny(), 3)
    assert SSR(MethodOptions()).mutate_model(space) is space
    names = [name for name, _ in space.named_parameters() if name.split(".")[-1] in ("alpha", "beta", "gamma")]
    assert names == ["architecture_parameters.alpha", "architecture_parameters.beta", "architecture_parameters.gamma"]
    keys = [key for key in space.state_dict() if key.endswith("alpha")]
    assert keys == ["architecture_parameters.alpha"]


def test_logits_depend_on_the_seed_alone(tiny: Space) -> None:
    found = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        model = SSR(MethodOptions(), seed).mutate_model(JointSpace(tiny(), 3))
        found.append(torch.cat([p.detach().flatten() for p in model.architecture_parameters.parameters()]))  # type: ignore[union-attr]
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_the_weights_of_the_space_are_not_kept(tiny: Space) -> None:
    """The super-network has its own convolutions; those of the plain mutables must not linger in it."""
    space = tiny()
    model = SSR(MethodOptions()).mutate_model(JointSpace(space, 3))
    expected = 0
    for stage, count in enumerate(space.layers):
        c = space.widths[stage]
        expected += count * len(space.operators) * (2 * (3 * c * c + c) + 2 * c)
    plain = JointSpace(space, 3)
    rest = sum(p.numel() for part in (plain.down1, plain.down2, plain.down3, plain.head) for p in part.parameters())
    logits = sum(p.numel() for p in model.architecture_parameters.parameters())  # type: ignore[union-attr]
    assert sum(p.numel() for p in model.parameters()) == expected + rest + logits


def test_a_space_without_a_choice_is_refused() -> None:
    class Other(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

    with pytest.raises(InputError, match="Other has no choice"):
        SSR(MethodOptions()).mutate_model(Other())


def test_a_mutable_that_nobody_handles_is_rejected(tiny: Space) -> None:
    class More(JointSpace):
        def __init__(self, config: SpaceConfig) -> None:
            super().__init__(config, 3)
            self.extra = LayerChoice({"a": nn.Identity(), "b": nn.ReLU()}, label="extra")

    with pytest.raises(TypeError, match="dangling mutables"):
        SSR(MethodOptions()).mutate_model(More(tiny()))


def test_bad_options_are_refused_at_once() -> None:
    with pytest.raises(InputError, match="method.lr"):
        SSR(MethodOptions(lr=-1))


def test_both_loaders_train_and_none_validates() -> None:
    strategy: DifferentiableStrategy = SSR(MethodOptions())
    assert strategy.train_dataloader(lambda: "first", lambda: "second") == {"train": "first", "val": "second"}
    assert strategy.val_dataloader(lambda: "first", lambda: "second") is None  # type: ignore[func-returns-value]


def test_the_search_module_gets_the_composition() -> None:
    from nni.nas.evaluator.pytorch import LightningModule

    strategy = SSR(MethodOptions(h=0.3))
    module = strategy.configure_oneshot_module(LightningModule())
    assert isinstance(module, SearchModule)
    assert module.composition is strategy.composition and module.method is strategy.composition.method


def test_nnis_own_strategies_survive_our_import() -> None:
    """NNI's packages import each other in a circle: in the wrong order, its strategies become stubs that raise."""
    names = ("DARTS", "GumbelDARTS", "RandomOneShot")
    code = "import strategies.strategy, nni.nas.strategy as s; names = [getattr(s, n).__name__ for n in {0}]; "
    code = (code + "assert names == [*{0}]").format(names)
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
