"""A model space of NNI with every kind of mutable, and what the tests of strategies on such spaces need."""

from collections.abc import Iterator
from typing import Any

import nni
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.nn.pytorch import (
    Cell,
    InputChoice,
    LayerChoice,
    ModelSpace,
    MutableBatchNorm2d,
    MutableConv2d,
    MutableLinear,
    Repeat,
)
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD

from strategies.alive import Alive
from strategies.choices import ChoiceParameters
from strategies.method import MethodOptions
from strategies.search_module import SearchModule
from strategies.ssr import SSR
from strategies.strategy import DifferentiableStrategy
from strategies.supernet import shrink_supernet

FORCED = {"progressive", "pdarts", "pdarts-ssr", "sgas", "sgas2", "sgas-ssr"}
FAST = MethodOptions(lr=1.0, h=0.5, warmup=0.1, explore=0.1)
"""Decides a tiny space within a few epochs of two steps."""


def conv(channels: int = 4, size: int = 3) -> nn.Module:
    return nn.Conv2d(channels, channels, size, padding=size // 2)


class Space(ModelSpace):
    """3 channels in, 3 numbers out, with the kinds of mutables that are asked for between.

    Args:
        kinds: of ``layer``, ``input``, ``repeat``, ``width``, ``cell``, ``plain cell``, ``loose cell``.
        linear: without activations, so that the mean over all networks is the mixture.
    """

    def __init__(self, kinds: tuple[str, ...], linear: bool = False) -> None:
        super().__init__()
        self.kinds, self.linear = kinds, linear
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        if "layer" in kinds:
            nested = nn.Sequential(LayerChoice([conv(), nn.Identity()], label="nested"), conv())
            self.layer = LayerChoice({"conv": conv(), "nested": nested, "pool": nn.AvgPool2d(3, 1, 1)}, label="layer")
        if "repeat" in kinds:
            depth = nni.choice("depth", [0, 1, 3])
            self.repeat = Repeat(lambda i: LayerChoice([conv(), conv(size=1)], label=f"block{i}"), depth)
        if "input" in kinds:
            self.before, self.input = conv(), InputChoice(3, label="input")
        if "width" in kinds:
            width, kernel, other = nni.choice("width", [2, 4, 6]), nni.choice("kernel", [1, 3]), nni.choice("c", [1, 3])
            self.grow = MutableConv2d(4, width, kernel, padding=kernel // 2)
            self.depthwise = MutableConv2d(width, width, 3, padding=1, groups=width)
            self.norm = nn.Identity() if linear else MutableBatchNorm2d(width)
            self.reduce = MutableConv2d(width, 2 * other, 1)
            self.back = MutableConv2d(2 * other, 4, 1, bias=False)
            hidden = nni.choice("hidden", [3, 5])
            self.hidden, self.out = MutableLinear(4, hidden), MutableLinear(hidden, 4)
        if "cell" in kinds or "loose cell" in kinds:
            made = {"a": lambda *_: conv(size=1), "b": lambda *_: conv(), "skip": lambda *_: nn.Identity()}
            if linear:
                del made["a"]
            merge = "all" if "cell" in kinds else "loose_end"
            self.cell = Cell(made, 2, 2, 2, merge, label="cell")
            self.after = nn.Conv2d(8, 4, 1)
        if "plain cell" in kinds:
            self.cell, self.after = Cell([conv(), conv(size=1)], 2, 1, 2, label="plain"), nn.Conv2d(8, 4, 1)
        self.fixed = MutableLinear(4, 3)

    def activate(self, x: Tensor) -> Tensor:
        return x if self.linear else functional.relu(x)

    def forward(self, image: Tensor) -> Tensor:
        stem = x = self.activate(self.stem(image))
        if hasattr(self, "layer"):
            x = self.activate(self.layer(x))
        if hasattr(self, "repeat"):
            x = self.activate(self.repeat(x))
        if hasattr(self, "input"):
            x = self.activate(self.input([stem, x, self.before(x)]))
        if hasattr(self, "grow"):
            x = self.activate(self.norm(self.depthwise(self.activate(self.grow(x)))))
            x = self.back(self.activate(self.reduce(x)))
            x = self.out(self.activate(self.hidden(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
        if hasattr(self, "cell"):
            x = self.after(self.activate(self.cell([stem, x])))
        result: Tensor = self.fixed(x.mean((2, 3)))
        return result


KINDS = ("layer", "input", "repeat", "width", "cell", "plain cell")
EVERYTHING = ("layer", "input", "repeat", "width", "cell")


class Recipe(LightningModule):
    """Classification that returns its loss as many modules do, in a dict."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        images, labels = batch
        return {"loss": functional.cross_entropy(self.model(images), labels)}

    def configure_optimizers(self) -> Any:
        optimizer = SGD(self.parameters(), lr=0.05, momentum=0.9)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)}


class Stream:
    """Batches of random images, at most two."""

    def __init__(self, seed: int, count: int = 2) -> None:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(2, 4, 3, 6, 6, generator=generator)
        self.items = list(zip(images, torch.randint(0, 3, (2, 4), generator=generator), strict=True))[:count]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.items)


def search(strategy: DifferentiableStrategy, space: ModelSpace, epochs: int, steps: int = 2) -> SearchModule:
    recipe = Recipe()
    recipe.set_model(strategy.mutate_model(space))
    module = strategy.configure_oneshot_module(recipe)
    flags = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", **flags)
    trainer.fit(module, {"train": Stream(1, steps), "val": Stream(2, steps)})
    return module


def parameters_of(supernet: nn.Module) -> ChoiceParameters:
    parameters = supernet.architecture_parameters
    assert isinstance(parameters, ChoiceParameters)
    return parameters


def supernet_of(space: ModelSpace, strategy: DifferentiableStrategy | None = None, scale: float = 1000.0) -> ModelSpace:
    """In float64, with logits far from equal, and statistics of batch norms that are not those of the start."""
    supernet = (strategy or SSR()).mutate_model(space).double()
    with torch.no_grad():
        for logits in parameters_of(supernet).logits():
            logits.mul_(scale)
        for name, tensor in supernet.named_buffers():
            if name.endswith("running_mean"):
                tensor.normal_(std=0.3)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
    return supernet


def decide(supernet: ModelSpace, share: float, seed: int, shrink: bool = True) -> Alive:
    """Keep a random part of the candidates of each choice, at least one: with share 0, exactly one."""
    parameters, generator = parameters_of(supernet), torch.Generator().manual_seed(seed)
    masks = []
    for mask in parameters.alive:
        score = torch.rand(mask.shape, generator=generator).masked_fill(~mask, -1.0)
        masks.append(mask & ((score < share) | (score == score.amax(-1, keepdim=True))))
    alive = parameters.cascade(Alive(*masks))
    parameters.set_alive(alive)
    if shrink:
        shrink_supernet(list(mixed(supernet)), alive)
    return alive


def mixed(supernet: nn.Module) -> Iterator[nn.Module]:
    return (module for module in supernet.modules() if isinstance(module, BaseSuperNetModule))
