"""Narrow convolutions physically during training: new, smaller parameters, and an optimiser that follows them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nas_space.blocks import FactorizedConv


@dataclass
class ParameterChanges:
    """Which parameters of a module tree were replaced by a slice of themselves, and which are deleted."""

    replaced: dict[nn.Parameter, tuple[nn.Parameter, tuple[slice, ...]]] = field(default_factory=dict)
    deleted: set[nn.Parameter] = field(default_factory=set)

    def slice(self, module: nn.Module, name: str, *region: slice) -> None:
        """Replace a parameter of ``module`` by a copy of its region, unless the region is all of it."""
        old = getattr(module, name)
        if old[region].shape == old.shape:
            return
        new = nn.Parameter(_copy_region(old.detach(), region), requires_grad=old.requires_grad)
        setattr(module, name, new)
        self.replaced[old] = (new, region)

    def delete(self, module: nn.Module) -> None:
        """Note that all parameters of a module are deleted."""
        self.deleted.update(module.parameters())


def narrow(conv: FactorizedConv, width_3x1: int, width_1x3: int, changes: ParameterChanges) -> None:
    """Keep only the first channels of a factorised convolution; they compute what they did before.

    The 3x1 output goes with the 1x3 input, the 1x3 output with the batch norm's weight, bias and running statistics.
    """
    first, second, bn = conv.conv3x1, conv.conv1x3, conv.bn
    changes.slice(second, "weight", slice(width_1x3), slice(width_3x1))
    for module, width in ((first, width_3x1), (bn, width_1x3)):
        changes.slice(module, "weight", slice(width))
        changes.slice(module, "bias", slice(width))
    changes.slice(second, "bias", slice(width_1x3))
    for name in ("running_mean", "running_var"):
        setattr(bn, name, getattr(bn, name)[:width_1x3].clone())
    first.out_channels = second.in_channels = width_3x1
    second.out_channels = bn.num_features = width_1x3


def follow_changes(optimizer: Optimizer, changes: ParameterChanges) -> None:
    """Replace parameters in the optimiser's groups in place, slice their moments, drop the deleted ones."""
    replaced, deleted = changes.replaced, changes.deleted
    for group in optimizer.param_groups:
        group["params"] = [replaced[p][0] if p in replaced else p for p in group["params"] if p not in deleted]
    for parameter in deleted:
        optimizer.state.pop(parameter, None)
    for old, (new, region) in replaced.items():
        state = optimizer.state.pop(old, None)
        if state is not None:
            optimizer.state[new] = {
                key: _copy_region(value, region) if isinstance(value, Tensor) and value.shape == old.shape else value
                for key, value in state.items()
            }


def _copy_region(tensor: Tensor, region: tuple[slice, ...]) -> Tensor:
    """In the memory format of the whole: a parameter, its gradient and its moments must have the same."""
    channels_last = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return tensor[region].clone(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
