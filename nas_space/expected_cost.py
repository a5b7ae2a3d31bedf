"""Expected cost of the distribution over networks that a search holds: exact, and differentiable in every probability.

All choices are independent, so the expectation is multilinear in them (specification section 5.5): for operator o of
layer l, ``u_l * p_o * (k11*E[c1]*E[c2] + k1*E[c1] + k2*E[c2] + k0)`` with ``u_l`` the probability that the layer
exists.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from nas_space.config import SpaceConfig
from nas_space.cost import Cost, fixed_cost, layer_cost, operator_cost, stage_size

KINDS = ("params", "macs_conv", "macs_total")


class Probabilities(NamedTuple):
    """What a search believes; a dead candidate has probability 0.

    Shape:
        depth ``(stages, depths)``, operator ``(layers, operators)``, width ``(layers, operators, 2, widths)``; layers
        of all stages one after the other, the last axis sums to 1 wherever the choice still exists.
    """

    depth: Tensor
    operator: Tensor
    width: Tensor


class CostModel:
    """Precomputed coefficients of a space at one input size; ``expected`` is then a few tensor expressions.

    Args:
        space: the searched space.
        size: input height and width, in pixels.
        num_classes: channels of the logits.
        device: where the probabilities live.
    """

    def __init__(
        self, space: SpaceConfig, size: tuple[int, int], num_classes: int, device: torch.device | str = "cpu"
    ) -> None:
        fixed = fixed_cost(space, size, num_classes)
        coefficients, rests, widths, stages, positions = [], [], [], [], []
        for stage, count in enumerate(space.layers):
            features = stage_size(size, stage)
            rest = layer_cost(space.widths[stage], features)
            operators = [operator_cost(space.widths[stage], pooling, features) for _, pooling in space.operators]
            for position in range(count):
                coefficients.append([[getattr(own, kind) for kind in KINDS] for own in operators])
                rests.append([getattr(rest, kind) for kind in KINDS])
                widths.append(space.width_candidates(stage))
                stages.append(stage)
                positions.append(position + 1)
        self.fixed = torch.tensor([getattr(fixed, kind) for kind in KINDS], dtype=torch.float64, device=device)
        self.coefficients = torch.tensor(
            coefficients, dtype=torch.float64, device=device
        )  # (layers, operators, kinds, 4)
        self.rests = torch.tensor(rests, dtype=torch.float64, device=device)  # (layers, kinds)
        self.widths = torch.tensor(widths, dtype=torch.float64, device=device)  # (layers, widths)
        depths = torch.zeros(len(space.layers), max(len(d) for d in space.depth_candidates), dtype=torch.float64)
        for stage, candidates in enumerate(space.depth_candidates):
            depths[stage, : len(candidates)] = torch.tensor(candidates, dtype=torch.float64)
        self.uses = (
            depths.to(device)[stages] >= torch.tensor(positions, device=device)[:, None]
        ).double()  # (layers, depths)
        self.stages = torch.tensor(stages, device=device)

    def existence(self, depth: Tensor) -> Tensor:
        """Probability that each layer exists, ``(layers,)``: the mass of the depths that reach it."""
        return (self.uses * depth.double()[self.stages]).sum(-1)

    def expected(self, p: Probabilities) -> Tensor:
        """Expected ``(params, macs_conv, macs_total)``, float64 ``(3,)``."""
        mean = (p.width.double() * self.widths[:, None, None, :]).sum(-1)  # (layers, operators, 2)
        c1, c2 = mean.unbind(-1)
        terms = torch.stack((c1 * c2, c1, c2, torch.ones_like(c1)), -1)  # (layers, operators, 4)
        operators = (self.coefficients * terms[:, :, None, :]).sum(-1)  # (layers, operators, kinds)
        layers = (p.operator.double()[..., None] * operators).sum(1) + self.rests
        return self.fixed + (self.existence(p.depth)[:, None] * layers).sum(0)

    def expected_cost(self, p: Probabilities) -> Cost:
        """``expected`` as plain numbers."""
        return Cost(*self.expected(p).tolist())
