"""What the searched stages of a network respond to (SSR paper, Figure 9)."""

import torch
from torch import Tensor, nn

from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork


@torch.inference_mode()
def feature_maps(network: nn.Module, image: Tensor) -> list[Tensor]:
    """Mean absolute activation over the channels at the end of each searched stage, on the CPU.

    Args:
        network: in ``eval`` mode.
        image: normalised, ``(1, 3, H, W)`` -> a map for each stage, ``(H/4, W/4)``, ``(H/8, W/8)``, and so on.

    Raises:
        InputError: the network has no such stages.
    """
    if not isinstance(network, SegmentationNetwork):
        raise InputError(f"figures: feature maps are of searched stages, which {type(network).__name__} does not have")
    maps: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        maps.append(output[0].float().abs().mean(0).cpu())

    stages = [getattr(network, f"stage{number + 1}") for number in network.architecture.space.stages]
    hooks = [stage.register_forward_hook(record) for stage in stages]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return maps
