"""A network behind an interface, as one module that exporters trace."""

import torch
from torch import Tensor, nn

from experiments.data.transforms import normalise
from experiments.runtime.interface import Interface
from nas_space.blocks import upsample


class Deployed(nn.Module):
    """A network with what the interface puts inside the graph.

    Args:
        network: normalised images ``(N, 3, H, W)`` -> logits ``(N, classes, h, w)``.
        interface: what goes in and comes out.
    """

    def __init__(self, network: nn.Module, interface: Interface) -> None:
        super().__init__()
        self.network, self.interface = network, interface

    def logits(self, image: Tensor) -> Tensor:
        """What the class indices are taken from."""
        if self.interface.pixels:
            image = normalise(image.permute(0, 3, 1, 2))
        logits = self.network(image)
        return upsample(logits, (image.shape[-2], image.shape[-1])) if self.interface.resize else logits

    def forward(self, image: Tensor) -> Tensor:
        logits = self.logits(image)
        return logits.argmax(1).to(torch.uint8) if self.interface.argmax else logits


def example(interface: Interface, size: tuple[int, int]) -> Tensor:
    """An input of one image of ``size``, zero everywhere."""
    return torch.zeros((1, *size, 3), dtype=torch.uint8) if interface.pixels else torch.zeros(1, 3, *size)
