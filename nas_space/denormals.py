"""Weights that do nothing but cost time: so small that processors compute with them slowly."""

import torch
from torch import nn

NOTHING = 1e-30
"""Weights nearer to 0 than this become 0. Products with them vanish beside any other number that a network sums up."""


@torch.no_grad()
def drop_denormals(module: nn.Module) -> nn.Module:
    """Set the weights of ``module`` that are nearly 0 to 0, in place.

    Weight decay lets the weights of a channel that no gradient reaches fall for ever. Below 1e-38 floating-point
    numbers are denormal, and so are products of weights that are not yet as small. Intel processors take very long for
    them: a network with one such weight in a hundred takes 6.5 times as long (``experiments/results/lowering.md``).

    Returns:
        ``module``.
    """
    for parameter in module.parameters():
        parameter.masked_fill_(parameter.abs() < NOTHING, 0.0)
    return module
