"""The surviving candidates: one boolean mask for each level, and the cascade that keeps the levels consistent."""

from itertools import compress
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nas_space.architecture import Architecture
from nas_space.config import WIDTH_KEYS, SpaceConfig, operator_name

LEVELS = ("depth", "operator", "width")


class Alive(NamedTuple):
    """Boolean masks of the surviving candidates, in the shapes of ``Probabilities``.

    What only fills up a choice with fewer candidates than others is never alive.
    """

    depth: Tensor
    operator: Tensor
    width: Tensor

    @classmethod
    def full(cls, space: SpaceConfig) -> "Alive":
        """Every candidate of the searched space."""
        depth = pad_sequence([torch.ones(len(depths)) for depths in space.depth_candidates], batch_first=True).bool()
        operator = torch.ones(sum(space.layers), len(space.operators), dtype=torch.bool)
        counts = torch.tensor([len(space.width_candidates(stage)) for stage in space.stages])
        width = torch.arange(space.most_widths) < counts.repeat_interleave(torch.tensor(space.layers))[:, None]
        return cls(depth, operator, width[:, None, None].expand(*operator.shape, 2, -1).contiguous())

    @classmethod
    def only(cls, architecture: Architecture) -> "Alive":
        """One survivor in every choice that the network has: the network itself."""
        space = architecture.space
        alive = cls(*(torch.zeros_like(mask) for mask in cls.full(space)))
        row = 0
        for stage, layers in enumerate(architecture.stages):
            alive.depth[stage, space.depth_candidates[stage].index(len(layers))] = True
            widths = space.width_candidates(stage)
            for j, layer in enumerate(layers):
                operator = space.operators.index((layer.dilation, layer.pooling))
                alive.operator[row + j, operator] = True
                for conv, key in enumerate(WIDTH_KEYS):
                    alive.width[row + j, operator, conv, widths.index(getattr(layer, key))] = True
            row += space.layers[stage]
        return alive

    def __and__(self, other: "Alive") -> "Alive":
        return Alive(*map(torch.logical_and, self, other))

    def clone(self) -> "Alive":
        """A copy."""
        return Alive(*(mask.clone() for mask in self))

    def to(self, device: torch.device | str) -> "Alive":
        """The same masks on ``device``."""
        return Alive(*(mask.to(device) for mask in self))

    def counts(self) -> dict[str, int]:
        """Number of survivors of each level."""
        return {level: int(mask.sum()) for level, mask in zip(LEVELS, self, strict=True)}

    def is_discrete(self) -> bool:
        """Whether every choice that still exists has exactly one survivor."""
        return all(bool((mask.sum(-1) <= 1).all()) for mask in self)

    def cascade(self, space: SpaceConfig) -> "Alive":
        """Remove the layers beyond the deepest surviving depth, and the widths of operators that are gone."""
        reach = torch.zeros(self.operator.shape[0], dtype=torch.bool, device=self.operator.device)
        start = 0
        for stage, candidates in enumerate(space.depth_candidates):
            reach[start : start + max(compress(candidates, self.depth[stage].tolist()))] = True
            start += space.layers[stage]
        operator = self.operator & reach[:, None]
        return Alive(self.depth, operator, self.width & operator[:, :, None, None])


Ratios = Alive  # retaining ratios of all candidates: floats in the shapes of the masks, 0 for dead candidates


def candidate_labels(space: SpaceConfig) -> dict[str, list[tuple[str, str, tuple[int, ...]]]]:
    """For each level, ``(label, candidate, index into the level's mask)`` of every candidate.

    Labels are the space's NNI labels: ``stage1/depth``, ``stage1/layer3/op``, ``stage1/layer3/d4s2/width_3x1``.
    """
    table: dict[str, list[tuple[str, str, tuple[int, ...]]]] = {level: [] for level in LEVELS}
    row = 0
    for stage, depths in enumerate(space.depth_candidates):
        table["depth"] += [(f"stage{stage + 1}/depth", str(depth), (stage, k)) for k, depth in enumerate(depths)]
        for layer in range(space.layers[stage]):
            prefix = f"stage{stage + 1}/layer{layer + 1}"
            for o, operator in enumerate(space.operators):
                name = operator_name(*operator)
                table["operator"].append((f"{prefix}/op", name, (row, o)))
                for c, key in enumerate(WIDTH_KEYS):
                    for k, width in enumerate(space.width_candidates(stage)):
                        table["width"].append((f"{prefix}/{name}/{key}", str(width), (row, o, c, k)))
            row += 1
    return table
