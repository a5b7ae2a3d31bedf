"""The network that an architecture describes, in plain PyTorch: it knows nothing of NNI or of a search."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas_space.architecture import Architecture
from nas_space.blocks import AggregationBlock, DownsamplerBlock, FusionHead, ResidualLayer
from nas_space.config import Head, SpaceConfig
from nas_space.memory import check_network


class SegmentationNetwork(nn.Module):
    """Two to four residual stages, from 1/4 resolution on, and a segmentation head (SSR paper, Table 1, has two).

    Modules are called ``down1`` (to 1/2), ``down2``, ``stage1``, ``down3``, ``stage2``, ..., ``head``.

    Args:
        architecture: layers of all stages.
        num_classes: channels of the logits.
        head: one of ``space.heads``; absent, the first, that of a search. ``encoder`` of two stages is a 1x1 classifier
            at 1/8, ``fusion`` of more joins them at 1/8; ``aggregation`` joins 1/2 and all stages, logits at 1/4.

    Raises:
        InputError: its weights do not fit into the free memory. On the ``meta`` device they take none.
        ValueError: a head that the space does not have.

    Shape:
        ``(N, 3, H, W)``, sides at least ``space.smallest_side`` -> ``(N, num_classes, ceil(H/k), ceil(W/k))``, k = 8,
        aggregation: 4.
    """

    def __init__(self, architecture: Architecture, num_classes: int, head: Head | None = None) -> None:
        super().__init__()
        space = architecture.space
        self.architecture, self.head_name = architecture, space.heads[0] if head is None else head
        if self.head_name not in space.heads:
            known = " or ".join(space.heads)
            raise ValueError(f"head: {head!r}; a network of {len(space.widths)} stages has {known}")
        if torch.empty(0).device.type != "meta":
            check_network("architecture", architecture, num_classes, head)
        self.down1 = DownsamplerBlock(3, space.stem)
        channels = (space.stem, *space.widths)
        for stage in space.stages:
            self.add_module(f"down{stage + 2}", DownsamplerBlock(channels[stage], channels[stage + 1]))
            self.add_module(f"stage{stage + 1}", self._stage(stage))
        self.head = make_head(space, num_classes, self.head_name)

    def _stage(self, stage: int) -> nn.Sequential:
        channels = self.architecture.space.widths[stage]
        return nn.Sequential(*(ResidualLayer(channels, **vars(layer)) for layer in self.architecture.stages[stage]))

    def forward(self, image: Tensor) -> Tensor:
        half = self.down1(image)  # (N, stem, H/2, W/2)
        features = stage_outputs(self, half, len(self.architecture.stages))
        return apply_head(self.head, self.head_name, half, features)


def make_head(space: SpaceConfig, num_classes: int, head: Head) -> nn.Module:
    """The head called ``head`` of a network of ``space``."""
    if head == "aggregation":
        return AggregationBlock(space.stem, space.widths, num_classes)
    if head == "fusion":
        return FusionHead(space.widths, num_classes)
    return nn.Conv2d(space.widths[-1], num_classes, 1)


def apply_head(module: nn.Module, head: Head, half: Tensor, stages: Sequence[Tensor]) -> Tensor:
    """The logits: each head takes what it joins.

    Args:
        module: the head.
        head: its name.
        half: features at 1/2.
        stages: what the stages give.
    """
    if head == "aggregation":
        return module(half, *stages)
    return module(*stages) if head == "fusion" else module(stages[-1])


def stage_outputs(network: nn.Module, half: Tensor, stages: int) -> list[Tensor]:
    """What the stages of a network or a space give: ``(N, w1, H/4, W/4)``, ``(N, w2, H/8, W/8)``, and so on.

    Args:
        network: has modules ``down2``, ``stage1``, ``down3``, ``stage2``, ...
        half: what ``down1`` gives.
        stages: how many there are.
    """
    x, outputs = half, []
    for stage in range(1, stages + 1):
        x = getattr(network, f"stage{stage}")(getattr(network, f"down{stage + 1}")(x))
        outputs.append(x)
    return outputs
