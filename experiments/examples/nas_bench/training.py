"""How a network of the known worlds is trained, in a search and alone: SGD with a cosine, as DARTS trains."""

from collections.abc import Iterable
from typing import Any

import torch
from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR

from experiments.examples.nas_bench.images import Batches, Images

LEARNING_RATE, MOMENTUM, DECAY = 0.05, 0.9, 3e-4
CHUNK = 500
"""Images that are scored at once."""


def optimiser(parameters: Iterable[nn.Parameter], epochs: int) -> tuple[SGD, CosineAnnealingLR]:
    """The weights' optimiser, and its schedule over the epochs."""
    made = SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True)
    return made, CosineAnnealingLR(made, epochs)


class Classifier(LightningModule):
    """The task of a search.

    Args:
        epochs: of the search.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        return functional.cross_entropy(self.model(images), labels)

    def configure_optimizers(self) -> Any:
        made, schedule = optimiser(self.parameters(), self.epochs)
        return [made], [schedule]


def train(network: nn.Module, batches: Batches, epochs: int, device: str) -> None:
    """Train a network from its weights on, in place."""
    network.to(device).train()
    made, schedule = optimiser(network.parameters(), epochs)
    for _ in range(epochs):
        for images, labels in batches:
            made.zero_grad()
            functional.cross_entropy(network(images.to(device)), labels.to(device)).backward()
            made.step()
        schedule.step()


@torch.no_grad()
def accuracy(network: nn.Module, images: Images, device: str) -> float:
    """Part of the images whose class the network names."""
    network.to(device).eval()
    parts = zip(images.images.split(CHUNK), images.labels.split(CHUNK), strict=True)
    correct = sum(int((network(x.to(device)).argmax(1).cpu() == y).sum()) for x, y in parts)
    return correct / len(images.labels)
