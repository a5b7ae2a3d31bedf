"""Losses of a segmentation network besides plain cross-entropy."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.options.groups import IGNORE


class OhemCrossEntropy(nn.Module):
    """Cross-entropy of the hard pixels alone: online hard example mining (arXiv:1604.03540).

    BiSeNetV2 (arXiv:2004.02147) trains with it. Hard are the pixels whose own class gets less probability than
    ``threshold``, and at least the hardest ``share`` of the labelled ones. The loss is their (weighted) mean.

    Args:
        weight: weight of each class ``(classes,)``, in the mean but not in what counts as hard; absent, all the same.
        threshold: probability below which a pixel is hard.
        share: smallest part of the labelled pixels that is kept.

    Shape:
        logits ``(N, classes, H, W)``, labels ``(N, H, W)`` int64, 255 where ignored -> a scalar, 0 without labels.
    """

    def __init__(self, weight: Tensor | None = None, threshold: float = 0.7, share: float = 1 / 16) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.weight: Tensor | None
        self.hard = -math.log(threshold)
        self.share = share

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
        valid = labels != IGNORE
        with torch.no_grad():
            # Everything stays on the device: how many pixels must be kept is known there only.
            ranked = torch.where(valid, loss, -1.0).flatten().topk(max(int(self.share * labels.numel()), 1)).values
            least = (valid.sum() * self.share).long().clamp(min=1)
            limit = ranked.gather(0, least[None] - 1).clamp(max=self.hard)
            weights = (valid & (loss >= limit)).to(loss.dtype)
            if self.weight is not None:
                weights *= self.weight[torch.where(valid, labels, 0)]
        return (loss * weights).sum() / weights.sum().clamp(min=torch.finfo(loss.dtype).tiny)
