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
        reductions: find the class of the largest logit by reductions instead of argmax, where engines run them faster.
    """

    def __init__(self, network: nn.Module, interface: Interface, reductions: bool = False) -> None:
        super().__init__()
        self.network, self.interface, self.reductions = network, interface, reductions

    def logits(self, image: Tensor) -> Tensor:
        """What the class indices are taken from."""
        if self.interface.pixels:
            image = normalise(image.permute(0, 3, 1, 2))
        logits = self.network(image)
        return upsample(logits, (image.shape[-2], image.shape[-1])) if self.interface.resize else logits

    def forward(self, image: Tensor) -> Tensor:
        logits = self.logits(image)
        if not self.interface.argmax:
            return logits
        return (_first_largest(logits) if self.reductions else logits.argmax(1)).to(torch.uint8)


def _first_largest(logits: Tensor) -> Tensor:
    """``logits.argmax(1)``, as the least index of those whose logit is the largest."""
    count = logits.shape[1]
    index = torch.arange(count, dtype=logits.dtype).reshape(1, count, 1, 1)
    return torch.where(logits == logits.amax(1, keepdim=True), index, float(count - 1)).amin(1)


def example(interface: Interface, size: tuple[int, int]) -> Tensor:
    """An input of one image of ``size``, zero everywhere."""
    return torch.zeros((1, *size, 3), dtype=torch.uint8) if interface.pixels else torch.zeros(1, 3, *size)
