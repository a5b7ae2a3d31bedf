"""The network that an architecture describes, in plain PyTorch: it knows nothing of NNI or of a search."""

import torch
from torch import Tensor, nn

from nas_space.architecture import Architecture
from nas_space.blocks import AggregationBlock, DownsamplerBlock, ResidualLayer
from nas_space.config import Head
from nas_space.memory import check_network


class SegmentationNetwork(nn.Module):
    """Two residual stages at 1/4 and 1/8 resolution and a segmentation head (SSR paper, Table 1).

    Args:
        architecture: layers of both stages.
        num_classes: channels of the logits.
        head: ``encoder`` (1x1 classifier at 1/8) or ``aggregation`` (joins 1/2, 1/4 and 1/8; logits at 1/4).

    Raises:
        InputError: its weights do not fit into the free memory. On the ``meta`` device they take none.

    Shape:
        ``(N, 3, H, W)``, H and W at least 32 -> ``(N, num_classes, ceil(H/k), ceil(W/k))``, k = 8, aggregation: 4.
    """

    def __init__(self, architecture: Architecture, num_classes: int, head: Head = "encoder") -> None:
        super().__init__()
        if torch.empty(0).device.type != "meta":
            check_network("architecture", architecture, num_classes, head)
        self.architecture = architecture
        space = architecture.space
        self.down1 = DownsamplerBlock(3, space.stem)
        self.down2 = DownsamplerBlock(space.stem, space.widths[0])
        self.stage1 = self._stage(0)
        self.down3 = DownsamplerBlock(space.widths[0], space.widths[1])
        self.stage2 = self._stage(1)
        self.head: nn.Module
        if head == "encoder":
            self.head = nn.Conv2d(space.widths[1], num_classes, 1)
        elif head == "aggregation":
            self.head = AggregationBlock(space.stem, space.widths, num_classes)
        else:
            raise ValueError(f"head: {head!r} is neither encoder nor aggregation")

    def _stage(self, stage: int) -> nn.Sequential:
        channels = self.architecture.space.widths[stage]
        return nn.Sequential(*(ResidualLayer(channels, **vars(layer)) for layer in self.architecture.stages[stage]))

    def forward(self, image: Tensor) -> Tensor:
        half = self.down1(image)  # (N, stem, H/2, W/2)
        quarter = self.stage1(self.down2(half))  # (N, w1, H/4, W/4)
        eighth = self.stage2(self.down3(quarter))  # (N, w2, H/8, W/8)
        return self.head(eighth) if isinstance(self.head, nn.Conv2d) else self.head(half, quarter, eighth)
