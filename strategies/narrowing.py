"""Physically narrowing convolutions during training: new, smaller parameters, and an optimiser that follows them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nas_space.blocks import FactorizedConv


@dataclass
class Surgery:
    """What happened to the parameters of a module tree: which were replaced by slices, which are gone."""

    replaced: dict[nn.Parameter, tuple[nn.Parameter, tuple[slice, ...]]] = field(default_factory=dict)
    deleted: set[nn.Parameter] = field(default_factory=set)

    def slice(self, module: nn.Module, name: str, *region: slice) -> None:
        """Replace a parameter of ``module`` by a copy of its region; nothing happens where the region is all of it."""
        old = getattr(module, name)
        if old[region].shape == old.shape:
            return
        new = nn.Parameter(_part(old.detach(), region), requires_grad=old.requires_grad)
        setattr(module, name, new)
        self.replaced[old] = (new, region)

    def delete(self, module: nn.Module) -> None:
        """Note that a module and all its parameters are gone."""
        self.deleted.update(module.parameters())


def narrow(conv: FactorizedConv, width_3x1: int, width_1x3: int, surgery: Surgery) -> None:
    """Keep the first channels of a factorised convolution; exact for what is kept.

    The 3x1 output goes with the 1x3 input, the 1x3 output with the batch norm's weight, bias and running statistics.
    """
    first, second, bn = conv.conv3x1, conv.conv1x3, conv.bn
    surgery.slice(first, "weight", slice(width_3x1))
    surgery.slice(first, "bias", slice(width_3x1))
    surgery.slice(second, "weight", slice(width_1x3), slice(width_3x1))
    surgery.slice(second, "bias", slice(width_1x3))
    surgery.slice(bn, "weight", slice(width_1x3))
    surgery.slice(bn, "bias", slice(width_1x3))
    for name in ("running_mean", "running_var"):
        statistic: Tensor = getattr(bn, name)
        setattr(bn, name, statistic[:width_1x3].clone())
    first.out_channels = second.in_channels = width_3x1
    second.out_channels = bn.num_features = width_1x3


def resize(optimizer: Optimizer, surgery: Surgery) -> None:
    """Swap the replaced parameters in the optimiser's groups by position, slice their moments, drop the deleted ones."""
    for group in optimizer.param_groups:
        group["params"] = [
            surgery.replaced[p][0] if p in surgery.replaced else p for p in group["params"] if p not in surgery.deleted
        ]
    for parameter in surgery.deleted:
        optimizer.state.pop(parameter, None)
    for old, (new, region) in surgery.replaced.items():
        state = optimizer.state.pop(old, None)
        if state is not None:
            optimizer.state[new] = {
                key: _part(value, region) if isinstance(value, Tensor) and value.shape == old.shape else value
                for key, value in state.items()
            }


def _part(tensor: Tensor, region: tuple[slice, ...]) -> Tensor:
    """A copy of a region, laid out as the whole: a parameter, its gradient and its moments must lie alike."""
    channels_last = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return tensor[region].clone(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
