"""SSR on a space and a task that are not ours: a small image classifier, written in NNI's mutables.

    python -m experiments.examples.any_space --data data --epochs 30

It searches on CIFAR-10, which torchvision loads into ``--data``, half of the training images for the weights and half
for the architecture, as DARTS does. In the end it prints the found network's sample, what left when, and the
accuracy on the test images of the network that the search has trained. docs/any_space.md walks through it.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nni
import torch
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.experiment import NasExperiment
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d, Repeat
from torch import Tensor, nn
from torch.utils.data import Dataset, Subset

from strategies import SSR
from strategies.shrinking import Removal


class Block(nn.Module):
    """``ReLU(x + f(x))``, f a 1x1 and a 3x3 convolution with a searched width between them, ``(N, C, H, W)``."""

    def __init__(self, channels: int, label: str) -> None:
        super().__init__()
        width = nni.choice(f"{label}_width", [channels // 2, channels, 2 * channels])
        self.expand, self.norm = MutableConv2d(channels, width, 1, bias=False), MutableBatchNorm2d(width)
        self.reduce = MutableConv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.reduce(self.norm(self.expand(x)).relu())).relu()


class Classifier(ModelSpace):
    """Three stages of 1 to 4 layers; a layer is a block, a depthwise convolution or a pooling.

    Args:
        channels: of the first stage; each further one has twice as many.
        classes: of the images.

    Shape:
        ``(N, 3, H, W)`` -> ``(N, classes)``.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        stages: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1)]
        for number in range(3):
            width = channels * 2**number
            if number > 0:
                stages.append(nn.Conv2d(width // 2, width, 2, stride=2))
            stages.append(Repeat(_layer_maker(width, f"stage{number}"), (1, 4), label=f"stage{number}_depth"))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(4 * channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.stages(image).mean((2, 3)))
        return logits


def _layer_maker(channels: int, stage: str) -> Any:
    def layer(index: int) -> nn.Module:
        label = f"{stage}_layer{index}"
        depthwise = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        operators = {"block": Block(channels, label), "depthwise": depthwise, "pool": nn.AvgPool2d(3, 1, 1)}
        return LayerChoice(operators, label=label)

    return layer


@dataclass(frozen=True)
class Found:
    """What a search ends with.

    Args:
        sample: a value for every label: ``Classifier(...).freeze(sample)`` is the network, untrained.
        network: the same, trained by the search.
        removals: what left when, and by which rule.
    """

    sample: dict[str, Any]
    network: nn.Module
    removals: list[Removal]


def search(images: Dataset, classes: int, epochs: int, channels: int = 16, batch: int = 64) -> Found:
    """Search a classifier on pairs of an image ``(3, H, W)`` and its class; half of them train the architecture."""
    half = len(images) // 2  # type: ignore[arg-type]
    parts = [Subset(images, range(half)), Subset(images, range(half, 2 * half))]
    loaders = [DataLoader(part, batch_size=batch, shuffle=True) for part in parts]
    evaluator = Classification(
        num_classes=classes,
        train_dataloaders=loaders[0],  # of the weights
        val_dataloaders=loaders[1],  # of the architecture: NNI's one-shot strategies validate on nothing
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
    )
    strategy = SSR()
    experiment = NasExperiment(Classifier(channels, classes), evaluator, strategy)
    experiment.run()
    (sample,), (network,) = (experiment.export_top_models(formatter=form) for form in ("dict", "instance"))
    experiment.stop()
    return Found(sample, network, strategy.removals)


@torch.no_grad()
def accuracy(network: nn.Module, images: Dataset, batch: int = 256) -> float:
    """Part of the images whose class the network names."""
    network.eval()
    correct = [network(x).argmax(1) == y for x, y in torch.utils.data.DataLoader(images, batch)]
    return float(torch.cat(correct).float().mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    from torchvision import datasets, transforms

    parser = argparse.ArgumentParser(description="SSR on CIFAR-10, in a space of NNI's mutables")
    parser.add_argument("--data", required=True, help="folder of CIFAR-10; loaded into it where it is missing")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args(arguments)
    train, test = (
        datasets.CIFAR10(options.data, train=part, download=True, transform=transforms.ToTensor())
        for part in (True, False)
    )
    found = search(train, 10, options.epochs)
    for removal in found.removals:
        print(f"epoch {removal.epoch}: {removal.label} loses {removal.candidate} ({removal.rule})")
    print(json.dumps(found.sample))
    print(f"accuracy {100 * accuracy(found.network.cpu(), test):.1f} %")


if __name__ == "__main__":
    main()
