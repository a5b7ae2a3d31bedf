"""The written-out mixture against autograd's own, the work that it does, and what it must not do."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nas_space.blocks import FactorizedConv
from nas_space.config import SpaceConfig
from nas_space.space import JointSpace
from strategies import mixture
from strategies.alive import Alive
from strategies.mixture import Branch, mix_operators
from strategies.parameters import ArchitectureParameters
from strategies.supernet import shrink_supernet

Space = Callable[..., SpaceConfig]
WIDE = Callable[..., JointSpace]


def branch(
    dilation: int, widths: tuple[int, int], dtype: torch.dtype, masked: bool = True
) -> tuple[Branch, nn.Module, list[Tensor]]:
    conv = FactorizedConv(6, *widths, dilation).to(dtype)
    mask, scale = (torch.rand(width, dtype=dtype).add_(0.1).requires_grad_() for width in widths)
    first, second, norm = conv.conv3x1, conv.conv1x3, conv.bn
    assert first.bias is not None and second.bias is not None
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    tensors = (first.weight, first.bias, mask if masked else None, second.weight, second.bias, norm.weight, norm.bias)
    return Branch(*tensors, scale if masked else None, dilation, norm), conv, [mask, scale] if masked else []


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)], ids=str)
@pytest.mark.parametrize("residual", [True, False], ids=("residual", "alone"))
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=str)
def test_the_written_out_pass_is_autograds(
    dtype: torch.dtype, tolerance: float, residual: bool, layout: torch.memory_format
) -> None:
    """Dilations below, at and above the image's sides; branches of several widths, with masks and without."""
    made = [
        branch(1, (4, 6), dtype),
        branch(5, (6, 3), dtype),
        branch(7, (5, 6), dtype, masked=False),
        branch(9, (6, 6), dtype),
    ]
    x = torch.randn(2, 6, 5, 7, dtype=dtype).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(2, 6, 5, 7, dtype=dtype)
    leaves = [x, *(p for _, conv, extra in made for p in (*conv.parameters(), *extra))]
    results = []
    for compute in (mix_operators, mixture._mix_by_autograd):
        for _, conv, _ in made:
            norm = conv.bn
            assert isinstance(norm, nn.BatchNorm2d)
            norm.reset_running_stats()
        total = compute(x, [one for one, _, _ in made], residual)
        gradients = torch.autograd.grad((total * weight[:, : total.shape[1]]).sum(), leaves)
        statistics = [buffer.clone() for _, conv, _ in made for buffer in conv.buffers() if buffer.dim()]
        results.append([total.detach(), *gradients, *statistics])
    largest = max(
        float(value.abs().max()) for value in results[1]
    )  # autograd's gradient of a bias before a batch norm is noise, not 0
    for own, reference in zip(*results, strict=True):
        torch.testing.assert_close(own, reference, rtol=tolerance, atol=tolerance * largest)


def test_a_mask_that_vanished_gives_no_nan() -> None:
    one, _, (mask, _) = branch(1, (4, 6), torch.float64)
    with torch.no_grad():
        mask[2:] = 0.0
    mix_operators(torch.randn(2, 6, 5, 7, dtype=torch.float64), [one], True).sum().backward()
    assert mask.grad is not None and torch.isfinite(mask.grad).all()


def macs(model: JointSpace, size: tuple[int, int], weights: bool) -> tuple[float, float]:
    """Counted MACs of a step of the weights or of the architecture: forward, and backward."""
    parameters = model.architecture_parameters
    assert isinstance(parameters, ArchitectureParameters)
    logits = set(parameters.logits())
    for parameter in model.parameters():
        parameter.requires_grad_((parameter not in logits) == weights)
    with FlopCounterMode(display=False) as forward:
        loss = model(torch.randn(2, 3, *size, dtype=torch.float64)).square().mean()
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    return forward.get_total_flops() / 2, backward.get_total_flops() / 2


@pytest.mark.parametrize("weights", [True, False], ids=("weights", "architecture"))
def test_work_is_linear_in_pixels(weights: bool, tiny: Space, supernet: WIDE) -> None:
    model = supernet(tiny())
    one, two, four = (sum(macs(model, size, weights)) for size in ((96, 128), (96, 256), (192, 256)))
    assert four - two == 2 * (two - one)
    assert 0 <= 2 * one - two < 1e-3 * one  # the masks' own products, whatever the images' size


def test_a_step_of_the_architecture_computes_no_gradient_of_a_weight(tiny: Space, supernet: WIDE) -> None:
    model = supernet(tiny())
    forward, backward = macs(model, (96, 128), weights=False)
    _, with_weights = macs(model, (96, 128), weights=True)
    assert backward < forward  # the gradient of the inputs, but for the first layer's
    assert with_weights == pytest.approx(2 * forward, rel=0.1)


@pytest.mark.parametrize("weights", [True, False], ids=("weights", "architecture"))
@pytest.mark.parametrize("seed", range(3))
def test_work_is_that_of_the_survivors(
    seed: int, weights: bool, tiny: Space, supernet: WIDE, survivors: Callable[..., Alive]
) -> None:
    """What the operators add to a forward pass is the sum of their convolutions, at their widest surviving widths."""
    space, size = tiny(), (96, 128)
    model, alive = supernet(space), survivors(tiny(), seed, 0.5)
    stem = macs(model, size, weights)[0] - expected(space, Alive.full(space), size)
    parameters = model.architecture_parameters
    assert isinstance(parameters, ArchitectureParameters)
    parameters.set_alive(alive)
    shrink_supernet(model.stages(), alive)
    assert macs(model, size, weights)[0] - stem == pytest.approx(expected(space, alive, size), rel=1e-9)


def expected(space: SpaceConfig, alive: Alive, size: tuple[int, int]) -> float:
    total, row = 0.0, 0
    for stage, layers in enumerate(space.layers):
        pixels, channels = 2 * size[0] * size[1] / 4 ** (stage + 2), space.widths[stage]
        for layer in range(row, row + layers):
            for o, (_, pooling) in enumerate(space.operators):
                if alive.operator[layer, o]:
                    candidates = space.width_candidates(stage)
                    widths = [
                        max(w for w, left in zip(candidates, mask, strict=True) if left)
                        for mask in alive.width[layer, o]
                    ]
                    total += pixels / pooling**2 * 3 * (channels * widths[0] + widths[0] * widths[1])
        row += layers
    return total


def test_a_tap_that_sees_padding_alone_is_not_computed() -> None:
    counts = []
    for side in (4, 5):  # dilation 4: across a side of 4 pixels, only the tap in the middle meets the image
        one, _, _ = branch(4, (6, 6), torch.float64)
        with FlopCounterMode(display=False) as counter:
            mix_operators(torch.randn(2, 6, side, side, dtype=torch.float64), [one], True)
        counts.append(counter.get_total_flops() / side**2)
    assert counts[1] == 3 * counts[0]
