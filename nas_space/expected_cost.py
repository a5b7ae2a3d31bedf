"""A cost of the space as a table, and what follows from it: expected cost, cheapest network.

The table holds a value for every layer, operator and pair of widths. Any cost that is a sum over layers fits:
parameters, multiply-accumulates, measured latency. All choices are independent, so the expected cost is exact and
differentiable (docs/method.md, equation C1).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from nas_space.architecture import Architecture, Layer
from nas_space.config import Head, SpaceConfig
from nas_space.cost import fixed_cost, layer_cost, operator_cost, stage_size


class Probabilities(NamedTuple):
    """Probability of every candidate; a dead candidate has 0, and so has what only fills up a shorter choice.

    Shape:
        depth ``(stages, depths)``, operator ``(layers, operators)``, width ``(layers, operators, 2, widths)``. The
        layers of all stages follow one another. In the third axis of width, 0 is the 3x1 and 1 the 1x3 convolution.
        The last axis sums to 1 wherever the choice still exists.
    """

    depth: Tensor
    operator: Tensor
    width: Tensor


class TabulatedCost:
    """A cost that is a constant plus a sum over the layers of the network.

    Args:
        space: the searched space.
        fixed: cost of what is not searched.
        operators: cost of a layer by operator, 3x1 and 1x3 width: for each stage ``(operators, widths, widths)``.
        device: where probabilities and masks live.
    """

    def __init__(
        self, space: SpaceConfig, fixed: float, operators: Sequence[Tensor], device: torch.device | str = "cpu"
    ) -> None:
        self.space = space
        self.fixed = fixed
        stages = [stage for stage, count in enumerate(space.layers) for _ in range(count)]
        positions = [position for count in space.layers for position in range(count)]
        # (layers, operators, widths, widths); a stage with fewer widths is filled with zeros, which are never alive
        filled = [_fill(table, space.most_widths) for table in operators]
        self.table = torch.stack([filled[stage] for stage in stages]).double().to(device)
        depths = pad_sequence([torch.tensor(candidates) for candidates in space.depth_candidates], batch_first=True)
        uses = depths[stages] > torch.tensor(positions)[:, None]
        self.uses = uses.double().to(device)  # (layers, depths): whether a network of that depth has the layer
        self.stages = torch.tensor(stages, device=device)

    def existence(self, depth: Tensor) -> Tensor:
        """Probability that each layer exists, ``(layers,)``: the sum over the depths that reach it."""
        return (self.uses * depth.double()[self.stages]).sum(-1)

    def expected(self, p: Probabilities) -> Tensor:
        """Mean cost under ``p``, each choice divided by its sum first: float64 scalar (docs/method.md, equation C1)."""
        depth, operator, width = (divide_by_sum(level.double()) for level in p)
        width_3x1, width_1x3 = width.unbind(2)  # (layers, operators, widths)
        operator_costs = torch.einsum("loij,loi,loj->lo", self.table, width_3x1, width_1x3)
        return self.fixed + (self.existence(depth) * (operator * operator_costs).sum(-1)).sum()

    def cheapest(self, depth: Tensor, operator: Tensor, width: Tensor) -> float:
        """The least cost of a network whose candidates are all in the masks (shapes as in ``Probabilities``)."""
        by_depth = self._by_depth(self._layers(operator, width).flatten(1).amin(-1), depth)
        return self.fixed + float(by_depth.amin(-1).sum())

    def dearest(self, depth: Tensor, operator: Tensor, width: Tensor) -> float:
        """The largest cost of such a network."""
        layers = self._layers(operator, width).flatten(1)
        layers = layers.masked_fill(layers.isinf(), -torch.inf).amax(-1)
        return self.fixed - float(self._by_depth(-layers, depth).amin(-1).sum())

    def cheapest_network(self, depth: Tensor, operator: Tensor, width: Tensor) -> Architecture:
        """A network of that cost."""
        layers = self._layers(operator, width)
        costs, places = layers.flatten(1).min(-1)
        depths = self._by_depth(costs, depth).argmin(-1).tolist()
        choices: list[list[int]] = torch.stack(torch.unravel_index(places, layers.shape[1:]), -1).tolist()
        stages, row = [], 0
        for stage, candidates in enumerate(self.space.depth_candidates):
            widths, chosen = self.space.width_candidates(stage), choices[row : row + candidates[depths[stage]]]
            stages.append(tuple(Layer(*self.space.operators[o], widths[i], widths[j]) for o, i, j in chosen))
            row += self.space.layers[stage]
        return Architecture(self.space, tuple(stages))

    def _layers(self, operator: Tensor, width: Tensor) -> Tensor:
        """The table, infinite where a candidate is missing: ``(layers, operators, widths, widths)``."""
        width_3x1, width_1x3 = width.unbind(2)
        alive = width_3x1[..., :, None] & width_1x3[..., None, :] & operator[..., None, None]
        return self.table.masked_fill(~alive, torch.inf)

    def _by_depth(self, layers: Tensor, depth: Tensor) -> Tensor:
        """Cost of each depth from that of each layer, infinite where a candidate is missing: ``(stages, depths)``."""
        terms = torch.where(self.uses.bool(), layers[:, None], 0.0)
        costs = torch.zeros_like(depth, dtype=torch.float64).index_add(0, self.stages, terms)
        return costs.masked_fill(~depth, torch.inf)


def counted_cost(
    space: SpaceConfig,
    kind: str,
    size: tuple[int, int],
    num_classes: int,
    device: torch.device | str = "cpu",
    head: Head | None = None,
) -> TabulatedCost:
    """Table of a cost that is counted.

    Args:
        space: the searched space.
        kind: ``params``, ``macs_conv`` or ``macs_total``.
        size: input height and width, in pixels.
        num_classes: channels of the logits.
        device: where probabilities and masks live.
        head: of the network; absent, that of a search.
    """
    tables = []
    for stage, channels in enumerate(space.widths):
        features, widths = stage_size(size, stage), torch.tensor(space.width_candidates(stage), dtype=torch.float64)
        rest = getattr(layer_cost(channels, features), kind)
        c1, c2 = widths[:, None], widths[None, :]
        polynomials = [getattr(operator_cost(channels, pooling, features), kind) for _, pooling in space.operators]
        tables.append(torch.stack([k.k11 * c1 * c2 + k.k1 * c1 + k.k2 * c2 + k.k0 + rest for k in polynomials]))
    return TabulatedCost(space, getattr(fixed_cost(space, size, num_classes, head), kind), tables, device)


def _fill(table: Tensor, widths: int) -> Tensor:
    """``(operators, w, w)`` -> ``(operators, widths, widths)``."""
    missing = widths - table.shape[-1]
    return functional.pad(table, (0, missing, 0, missing))


def divide_by_sum(p: Tensor) -> Tensor:
    """``p`` over its sum along the last axis; zeros stay."""
    return p / p.sum(-1, keepdim=True).clamp(min=1e-30)
