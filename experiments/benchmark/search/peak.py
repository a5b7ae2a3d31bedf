"""How fast convolutions can be on a device: the yardstick of MAC utilisation."""

import torch
from torch.nn import functional

from experiments.runs.measure import now

SHAPES = ((2, 64, 64, 128, 3), (2, 128, 32, 64, 3), (2, 256, 32, 64, 3), (8, 256, 64, 128, 3))
"""Batch, channels (in and out), height, width and kernel of dense convolutions that keep a device busy."""
CALLS = 5


@torch.no_grad()
def convolution_peak(device: str, precision: str) -> float:
    """MACs a second of the fastest call, over a few shapes and both memory formats.

    Args:
        device: ``cpu`` or ``cuda``; the last shape is for GPUs only.
        precision: ``32`` (with what torch allows convolutions, as in a search) or ``bf16``.
    """
    best = 0.0
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    for batch, channels, height, width, kernel in SHAPES if device == "cuda" else SHAPES[:-1]:
        macs = batch * height * width * channels**2 * kernel**2
        for layout in (torch.channels_last, torch.contiguous_format):
            x = torch.randn(batch, channels, height, width, device=device, dtype=dtype).contiguous(memory_format=layout)
            weight = torch.randn(channels, channels, kernel, kernel, device=device, dtype=dtype)
            weight = weight.contiguous(memory_format=layout)
            for _ in range(CALLS):
                start = now(device)
                functional.conv2d(x, weight, padding=kernel // 2)
                best = max(best, macs / (now(device) - start))
    return best
