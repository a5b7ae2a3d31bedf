"""What goes into an exported network and what comes out: parts of pre- and post-processing that may lie inside the graph."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.data.transforms import normalise
from nas_space.blocks import upsample

INPUT = "image"


@dataclass(frozen=True)
class Interface:
    """Input and output of an exported network.

    Args:
        pixels: take images as they are read, uint8 ``(N, H, W, 3)`` RGB, and normalise them inside; otherwise float32
            ``(N, 3, H, W)``, normalised as in training.
        resize: upsample the logits to the images' size.
        argmax: give class indices, uint8 ``(N, h, w)``, instead of logits, float32 ``(N, classes, h, w)``.
    """

    pixels: bool = False
    resize: bool = False
    argmax: bool = False

    @property
    def output(self) -> str:
        """Name of the output."""
        return "classes" if self.argmax else "logits"

    def example(self, size: tuple[int, int]) -> Tensor:
        """An input of one image of ``size``, zero everywhere."""
        return torch.zeros((1, *size, 3), dtype=torch.uint8) if self.pixels else torch.zeros(1, 3, *size)


class Deployed(nn.Module):
    """A network behind an interface.

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
        """See ``Interface``."""
        logits = self.logits(image)
        return logits.argmax(1).to(torch.uint8) if self.interface.argmax else logits
