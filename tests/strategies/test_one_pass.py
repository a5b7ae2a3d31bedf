"""While the logits do not change the mixture, and both streams are of the same images, one pass serves both levels."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.optim import Adam

from nas_space.config import SpaceConfig
from nas_space.space import JointSpace
from strategies.darts import DARTS
from strategies.method import MethodOptions
from strategies.search_module import SearchModule
from strategies.ssr import SSR

EXPLORING, DECIDING = 0.3, 0.7
METHOD: dict[str, Any] = {"lr": 0.3, "warmup": 0.0, "explore": 0.5}
Batch = tuple[Tensor, Tensor]


class Recipe(LightningModule):
    """Notes which batches it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, labels = batch
        self.seen.append(float(images.sum()))
        return functional.cross_entropy(self.model(images), labels)


def prepare(kind: Callable[..., Any], space: SpaceConfig, same_images: bool, **method: Any) -> tuple[SearchModule, Any]:
    """A search, and the optimisers of weights and logits."""
    strategy = kind(MethodOptions(**METHOD | method))
    strategy.same_images = same_images
    torch.manual_seed(0)
    recipe = Recipe()
    recipe.set_model(strategy.mutate_model(JointSpace(space, 3)).double())
    module = strategy.configure_oneshot_module(recipe)
    logits = list(module.architecture_parameters.logits())
    weights = [p for p in recipe.parameters() if all(p is not one for one in logits)]
    return module, (Adam(weights, lr=0.01), Adam(logits, lr=0.3, betas=(0.5, 0.999)))


def batches() -> dict[str, Batch]:
    torch.manual_seed(1)
    images, labels = torch.rand(2, 2, 3, 32, 32, dtype=torch.float64), torch.randint(0, 3, (2, 2, 4, 4))
    return {"train": (images[0], labels[0]), "val": (images[1], labels[1])}


def step(module: SearchModule, optimizers: Any, progress: float) -> tuple[dict[str, Tensor], list[str]]:
    """What a step returns, and the names of the batches that it has looked at."""
    both = batches()
    names = {float(images.sum()): name for name, (images, _) in both.items()}
    module.bilevel._backward = lambda loss: loss.backward()
    recipe = module.training_module
    assert isinstance(recipe, Recipe)
    recipe.seen.clear()
    result = module.bilevel.step(both, 0, optimizers, progress, 0.1, decided=False)
    return result, [names[seen] for seen in recipe.seen]


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_both_levels_follow_the_gradients_of_one_batch(tiny: Callable[..., SpaceConfig], spread: float) -> None:
    module, optimizers = prepare(SSR, tiny(), same_images=True, spread=spread)
    reference, (of_weights, of_logits) = prepare(SSR, tiny(), same_images=True, spread=spread)
    torch.manual_seed(2)  # of drawn parts
    result, seen = step(module, optimizers, EXPLORING)
    assert seen == ["train"] and result["loss"] is result["loss_a"]

    reference.composition.relaxation.advance(EXPLORING)
    torch.manual_seed(2)
    logits = list(reference.architecture_parameters.logits())
    loss = reference.training_module.training_step(batches()["train"], 0)
    loss.backward()
    of_weights.step()
    of_logits.step()
    torch.testing.assert_close(result["loss"], loss.detach(), rtol=1e-12, atol=0)
    assert all(bool(parameter.grad is not None and parameter.grad.any()) for parameter in logits)
    for (name, one), (_, other) in zip(module.named_parameters(), reference.named_parameters(), strict=True):
        for a, b in ((one, other), (one.grad, other.grad)):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(
    ("kind", "same_images", "method", "progress"),
    [
        (SSR, True, {}, DECIDING),
        (SSR, False, {}, EXPLORING),
        (SSR, True, {"uniform": False}, EXPLORING),
        (SSR, True, {"order": 2}, EXPLORING),
        (DARTS, True, {}, EXPLORING),
    ],
    ids=["parts are the probabilities", "other images", "never equal parts", "second order", "DARTS"],
)
def test_else_each_level_has_its_batch(
    tiny: Callable[..., SpaceConfig], kind: Any, same_images: bool, method: dict[str, Any], progress: float
) -> None:
    module, optimizers = prepare(kind, tiny(), same_images, **method)
    result, seen = step(module, optimizers, progress)
    assert set(seen) == {"train", "val"} and float(result["loss"]) != float(result["loss_a"])


def test_a_strategy_by_itself_keeps_both_streams(tiny: Callable[..., SpaceConfig]) -> None:
    """A user's own loaders may have different images."""
    assert not SSR().same_images and not SSR().composition.same_images
