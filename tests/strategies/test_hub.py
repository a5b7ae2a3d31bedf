"""NNI's hub: each space runs two steps of SSR and gives a network that it can freeze, or is refused by a label.

docs/any_space.md has the table.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import nni.nas.strategy  # noqa: F401  # first: NNI's packages import each other in a circle
import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.hub.pytorch import (
    DARTS,
    ENAS,
    PNAS,
    AmoebaNet,
    AutoFormer,
    MobileNetV3Space,
    NasBench101,
    NasBench201,
    NASNet,
    ProxylessNAS,
    ShuffleNetSpace,
)
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import Tensor
from torch.nn import functional
from torch.optim import SGD

from nas_space.errors import InputError
from strategies.alive import Alive
from strategies.any_space import freeze_network
from strategies.choices import ChoiceParameters
from strategies.method import MethodOptions
from strategies.ssr import SSR
from strategies.supernet import shrink_supernet

Make = Callable[[], ModelSpace]
WIDTHS = (8, 8, 8, 16, 16, 16, 16, 32, 32)
WITH_WEIGHTS: dict[str, Make] = {
    "NasBench201": lambda: NasBench201(4, 1),
    "ProxylessNAS": lambda: ProxylessNAS(10, WIDTHS),
    "MobileNetV3Space": lambda: MobileNetV3Space(10, WIDTHS, (0.5, 1.0), (1.0, 2.0), depth_range=(1, 2)),
    "ShuffleNetSpace": lambda: ShuffleNetSpace(10),
    "ShuffleNetSpace, channels": lambda: ShuffleNetSpace(10, channel_search=True),
    "AutoFormer": lambda: AutoFormer((24, 32), (2.0, 3.0), (2, 3), (1, 2), 32, num_labels=10),
}
"""Spaces whose found network has the super-network's weights."""
BUILT_ANEW: dict[str, Make] = {
    "DARTS": lambda: DARTS(4, 3),
    "DARTS, depth and width": lambda: DARTS((4, 8), (3, 6)),
    "PNAS": lambda: PNAS(4, 3),
    "ENAS": lambda: ENAS(4, 3),
    "NASNet": lambda: NASNet(4, 3),
    "AmoebaNet": lambda: AmoebaNet(4, 3),
}
"""Spaces of the NDS family: they build each network anew."""


class Recipe(LightningModule):
    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        return functional.cross_entropy(self.model(images), labels)

    def configure_optimizers(self) -> Any:
        return SGD(self.parameters(), lr=1e-4)


class Stream:
    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter([(torch.randn(2, 3, self.size, self.size), torch.tensor([0, 1])) for _ in range(2)])


def two_steps(space: ModelSpace, size: int) -> tuple[ModelSpace, dict[str, Any]]:
    """Super-network and sample."""
    strategy, recipe = SSR(MethodOptions(warmup=0.0, explore=0.0)), Recipe()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*joins loose ends", UserWarning)
        recipe.set_model(strategy.mutate_model(space))
    module = strategy.configure_oneshot_module(recipe)
    flags = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    pl.Trainer(max_epochs=1, accelerator="cpu", **flags).fit(module, {"train": Stream(size), "val": Stream(size)})
    return module.model, module.export()


def decide(supernet: ModelSpace) -> ChoiceParameters:
    """Keep the most probable candidate of every choice."""
    parameters = supernet.architecture_parameters
    assert isinstance(parameters, ChoiceParameters)
    alive = parameters.cascade(Alive(*(ratio == 1.0 for ratio in parameters.ratios())))
    parameters.set_alive(alive)
    shrink_supernet([m for m in supernet.modules() if isinstance(m, BaseSuperNetModule)], alive)
    return parameters


@pytest.mark.slow
@pytest.mark.parametrize("name", [*WITH_WEIGHTS, *BUILT_ANEW])
def test_two_steps_and_a_network(name: str) -> None:
    make = (WITH_WEIGHTS | BUILT_ANEW)[name]
    # ShuffleNet has one pixel left of 32, on which its batch norms let the gradients explode, also in a plain network.
    labels, size = set(make().simplify()), 64 if name.startswith("ShuffleNet") else 32
    supernet, sample = two_steps(make(), size)
    assert set(sample) == labels
    images = torch.randn(2, 3, size, size)
    fresh = make().freeze(sample).eval()
    assert fresh(images).shape == (2, 10)
    sample = decide(supernet).sample()
    fresh = make().freeze(sample).eval()
    network = freeze_network(supernet.eval(), sample).eval()
    assert {n: p.shape for n, p in network.named_parameters()} == {n: p.shape for n, p in fresh.named_parameters()}
    if name in WITH_WEIGHTS:
        torch.testing.assert_close(network(images), supernet(images), rtol=1e-4, atol=1e-5)


def test_nasbench101_is_refused() -> None:
    with pytest.raises(InputError, match="'cell/final' of NasBench101 is a "):
        SSR().mutate_model(NasBench101(8, 1, 1))
