"""The sum over a layer's operators that share an input, forward and backward: the hot path of a search.

Autograd would keep four tensors for each operator and touch each of them several times. Written out, two are kept: what
enters and what leaves the 1x3 convolution. Four identities save the rest; all are exact:

- A mask is never negative, so it passes through the ReLU into kernel and bias of the 3x1 convolution. It has a gradient
  all the same: ``z = m * y`` gives ``dL/dm = sum(dL/dz * z) / m``, without the gradient of a weight.
- Batch norm, mask and weight of the operator are one scale and one shift for each channel. The shifts of all operators
  are added up before they are added to the features.
- A constant added before a batch norm has no effect. So the bias of the 1x3 convolution has gradient 0 and only changes
  the running mean.
- A tap of a kernel that lies a whole image away reads padding only and is not computed.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

convolution_backward = torch.ops.aten.convolution_backward
batch_norm_backward = torch.ops.aten.native_batch_norm_backward
threshold_backward = torch.ops.aten.threshold_backward


class Branch(NamedTuple):
    """One operator of a mixture: ``scale * BN(conv1x3(mask * ReLU(conv3x1(x))))`` (SSR paper, equation 5).

    ``gain`` and ``shift`` are weight and bias of the batch norm. ``mask`` and ``scale`` are None where they are 1.

    Shape:
        kernel_3x1 ``(a, C, 3, 1)``, bias_3x1 and mask ``(a,)``, kernel_1x3 ``(b, a, 1, 3)``, bias_1x3, gain, shift and
        scale ``(b,)``.
    """

    kernel_3x1: Tensor
    bias_3x1: Tensor
    mask: Tensor | None
    kernel_1x3: Tensor
    bias_1x3: Tensor
    gain: Tensor
    shift: Tensor
    scale: Tensor | None
    dilation: int
    norm: nn.BatchNorm2d


TENSORS = 8  # the first fields of a branch are tensors: so many
SAVED = 6  # tensors that a branch saves for its backward pass


def mix_operators(x: Tensor, branches: Sequence[Branch], residual: bool) -> Tensor:
    """Sum of the branches, plus ``x`` where ``residual`` (SSR paper, equation 3).

    Shape:
        ``(N, C, H, W)`` -> the same; without a residual, as many channels as the widest branch (there must be one).
    """
    if not branches:
        return x
    device = x.device.type
    if all(branch.norm.training for branch in branches):
        if torch.is_autocast_enabled(device):
            x = x.to(torch.get_autocast_dtype(device))
        tensors = [tensor for branch in branches for tensor in _without_outer_taps(branch, x.shape)[:TENSORS]]
        with torch.autocast(device, enabled=False):
            return _Mixture.apply(x, branches, residual, *tensors)
    return _mix_by_autograd(x, [_without_outer_taps(branch, x.shape) for branch in branches], residual)


def _mix_by_autograd(x: Tensor, branches: Sequence[Branch], residual: bool) -> Tensor:
    """The definition, also for networks in ``eval`` mode."""
    sums: dict[int, Tensor] = {}  # by channel count, so that padding happens once per count
    for branch in branches:
        kernel, bias, mask, norm = branch.kernel_3x1, branch.bias_3x1, branch.mask, branch.norm
        after = mask if mask is not None and mask.requires_grad else None
        if mask is not None and after is None:
            kernel, bias = kernel * mask[:, None, None, None], bias * mask
        y = functional.relu(_convolve(x, kernel, bias, branch.dilation), inplace=True)
        y = y if after is None else y * after[:, None, None]
        y = _convolve(y, branch.kernel_1x3, branch.bias_1x3, branch.dilation)
        gain, shift = branch.gain, branch.shift
        if branch.scale is not None:
            gain, shift = gain * branch.scale, shift * branch.scale
        running = norm.running_mean, norm.running_var
        y = functional.batch_norm(y, *running, gain, shift, norm.training, norm.momentum or 0.0, norm.eps)
        sums[y.shape[1]] = sums[y.shape[1]] + y if y.shape[1] in sums else y
    widest = x.shape[1] if residual else max(sums)
    total: Tensor | None = x if residual else None
    for channels, term in sums.items():
        term = term if channels == widest else functional.pad(term, (0, 0, 0, 0, 0, widest - channels))
        total = term if total is None else total + term
    assert total is not None
    return total


def _without_outer_taps(branch: Branch, shape: torch.Size) -> Branch:
    """The branch without the outer taps of convolutions whose dilation is the image's side or more."""
    first = branch.kernel_3x1[:, :, 1:2] if branch.dilation >= shape[-2] else branch.kernel_3x1
    second = branch.kernel_1x3[..., 1:2] if branch.dilation >= shape[-1] else branch.kernel_1x3
    return branch._replace(kernel_3x1=first, kernel_1x3=second)


def _geometry(kernel: Tensor, dilation: int) -> tuple[list[int], list[int]]:
    """Padding and dilation of a kernel of one or three taps."""
    taps = kernel.shape[-2:]
    padding = [dilation if side == 3 else 0 for side in taps]
    # A kernel of one tap is called dilated: torch then takes the same library as for the other kernels.
    return padding, [dilation if side == 3 else 2 - max(taps) // 3 for side in taps]


def _convolve(x: Tensor, kernel: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    padding, dilations = _geometry(kernel, dilation)
    return functional.conv2d(x, kernel, bias, 1, padding, dilations)


def _convolve_backward(
    gradient: Tensor, x: Tensor, kernel: Tensor, bias: bool, dilation: int, needed: list[bool]
) -> tuple[Any, Any, Any]:
    """Gradients of input, kernel and bias, those that are ``needed``."""
    padding, dilations = _geometry(kernel, dilation)
    sizes = [kernel.shape[0]] if bias else None
    return convolution_backward(gradient, x, kernel, sizes, [1, 1], padding, dilations, False, [0, 0], 1, needed)


class _Mixture(torch.autograd.Function):
    """``mix_operators`` in training mode; the tensors of all branches follow one another, in the order of ``Branch``.

    Convolutions and the sum are computed in the type of ``x``, statistics and scales in the type of the parameters.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, branches: Sequence[Branch], residual: bool, *tensors: Tensor | None) -> Tensor:
        """Save the input and the output of the 1x3 convolution of each branch, and the statistics of its output."""
        to_save: list[Tensor] = []
        widest = x.shape[1] if residual else max(branch.gain.shape[0] for branch in branches)
        total, shifts = _start(x, widest, residual), branches[0].gain.new_zeros(widest)
        for branch, parameters in zip(branches, _grouped(tensors, TENSORS), strict=True):
            kernel, bias, mask, kernel_1x3, bias_1x3, gain, shift, scale = parameters
            if mask is not None:
                kernel, bias = kernel * mask[:, None, None, None], bias * mask
            kernel, kernel_1x3 = kernel.to(x.dtype), kernel_1x3.to(x.dtype)
            z = _convolve(x, kernel, bias.to(x.dtype), branch.dilation).relu_()
            u = _convolve(z, kernel_1x3, None, branch.dilation)
            norm, channels = branch.norm, len(gain)
            momentum, running_mean = norm.momentum or 0.0, norm.running_mean
            assert running_mean is not None
            mean, variance = torch.batch_norm_update_stats(u, running_mean, norm.running_var, momentum)
            running_mean.add_(bias_1x3, alpha=momentum)
            invstd = variance.add_(norm.eps).rsqrt_()
            slope = gain * invstd
            level = torch.addcmul(shift, mean, slope, value=-1)
            if scale is not None:
                slope *= scale
                level *= scale
            shifts[:channels] += level
            total[:, :channels].addcmul_(u, slope[:, None, None])
            to_save += [z, u, mean, invstd, kernel, kernel_1x3]
        total += shifts[:, None, None]
        ctx.save_for_backward(x, *to_save, *tensors)
        ctx.branches = [(branch.dilation, branch.norm.eps) for branch in branches]
        ctx.residual = residual
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of kernels in a weight step, of masks and scales in an architecture step."""
        (gradient,) = gradients
        needs_x, _, _, *needs = ctx.needs_input_grad
        x, *saved = ctx.saved_tensors
        split = SAVED * len(ctx.branches)
        groups = _grouped(saved[:split], SAVED), _grouped(saved[split:], TENSORS), _grouped(needs, TENSORS)
        of_x: Tensor | None = gradient if ctx.residual else None
        results: list[Tensor | None] = []
        branches = zip(ctx.branches, *groups, strict=True)
        for (dilation, eps), (z, u, mean, invstd, folded, kernel_1x3), parameters, needed in branches:
            _, _, mask, _, bias_1x3, gain, shift, scale = parameters
            scaled_gain = gain if scale is None else gain * scale
            of_u, of_gain, of_shift = batch_norm_backward(
                _leading(gradient, len(gain)), u, scaled_gain, None, None, mean, invstd, True, eps, [True, True, True]
            )
            of_z, of_kernel_1x3, _ = _convolve_backward(of_u, z, kernel_1x3, False, dilation, [True, needed[3], False])
            of_mask = torch.where(mask > 0, (of_z * z).sum((0, 2, 3)) / mask, 0.0) if needed[2] else None
            of_scale = torch.addcmul(of_gain * gain, of_shift, shift) if needed[7] else None
            if scale is not None and needed[5]:
                of_gain, of_shift = of_gain * scale, of_shift * scale
            of_y = threshold_backward(of_z, z, 0)
            part, of_kernel, of_bias = _convolve_backward(of_y, x, folded, True, dilation, [needs_x, *needed[:2]])
            if mask is not None and needed[0]:
                of_kernel, of_bias = of_kernel * mask[:, None, None, None], of_bias * mask
            if needs_x:
                of_x = part if of_x is None else part.add_(of_x)
            of_bias_1x3 = torch.zeros_like(bias_1x3) if needed[4] else None
            results += [of_kernel, of_bias, of_mask, of_kernel_1x3, of_bias_1x3, of_gain, of_shift, of_scale]
        return of_x if needs_x else None, None, None, *results


def _grouped(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _leading(x: Tensor, channels: int) -> Tensor:
    """The first channels; copied on a GPU, where batch norm is ten times slower on a tensor that is not contiguous."""
    part = x[:, :channels]
    if not x.is_cuda or channels == x.shape[1]:
        return part
    return part.contiguous(memory_format=_layout(x))


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format


def _start(x: Tensor, channels: int, residual: bool) -> Tensor:
    """Where the sum begins: a copy of ``x``, or zeros in its layout."""
    if residual:
        return x.clone()
    return x.new_zeros(len(x), channels, *x.shape[2:]).contiguous(memory_format=_layout(x))
