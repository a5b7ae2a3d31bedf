"""How like two networks of a space are: the kernels of the predictor."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas_space.architecture import Architecture, Layer
from nas_space.config import SpaceConfig

Floats = npt.NDArray[np.float64]
ABSENT = -1.0
OTHER_POOLING = 0.5
"""How like two layers are that differ in their pooling alone."""


@dataclass(frozen=True)
class Encoded:
    """Networks as numbers.

    Args:
        layers: for each place of a layer its dilation (as power of two), pooling and widths (as shares of the full
            one): ``(networks, layers, 4)``; ``ABSENT`` beyond the depth.
        summary: for each stage how far it sees (as power of two), its pooled layers, its depth, the sum and the maximum
            of its dilations' logarithms, how often the dilation changes from layer to layer, and its mean width:
            ``(networks, stages, 7)``.
    """

    layers: Floats
    summary: Floats


def encode(space: SpaceConfig, networks: Sequence[Architecture]) -> Encoded:
    """The networks of one space as numbers."""
    deepest = [max(depths) for depths in space.depths]
    layers = np.full((len(networks), sum(deepest), 4), ABSENT)
    summary = np.empty((len(networks), len(deepest), 7))
    row = 0
    for stage, (full, deep) in enumerate(zip(space.widths, deepest, strict=True)):
        known: dict[tuple[Layer, ...], tuple[Floats, Floats]] = {}  # many networks of a small space share a stage
        for i, network in enumerate(networks):
            chosen = network.stages[stage]
            if chosen not in known:
                known[chosen] = _stage(chosen, full)
            numbers, summary[i, stage] = known[chosen]
            layers[i, row : row + len(chosen)] = numbers
        row += deep
    return Encoded(layers, summary)


def _stage(layers: Sequence[Layer], full: int) -> tuple[Floats, Floats]:
    """A stage's rows of ``Encoded.layers``, and its row of ``Encoded.summary``."""
    numbers = np.array([_numbers(layer, full) for layer in layers])
    logs, pooled, widths = numbers[:, 0], numbers[:, 1] > 1, numbers[:, 2:]
    seen = np.log2(1 + (2 * 2.0**logs * numbers[:, 1]).sum())
    changes = (logs[1:] != logs[:-1]).sum()
    summary = np.array([seen, pooled.sum(), len(layers), logs.sum(), logs.max(), changes, widths.mean()])
    return numbers, summary


def _numbers(layer: Layer, full: int) -> tuple[float, float, float, float]:
    return float(np.log2(layer.dilation)), layer.pooling, layer.width_3x1 / full, layer.width_1x3 / full


def likeness(networks: Encoded, known: Encoded) -> Floats:
    """The kernels, centred: how like each network is to each known one: ``(5, networks, known)``.

    Not centred, all networks would share a part, and the mean of the scores would be fitted twice.
    """
    of_known = kernels(known, known, known)
    raw = of_known if networks is known else kernels(networks, known, known)
    means = of_known.mean(1)  # (5, known)
    centred: Floats = raw - raw.mean(2, keepdims=True) - means[:, None] + means.mean(1)[:, None, None]
    return centred


def kernels(first: Encoded, second: Encoded, reference: Encoded) -> Floats:
    """Five measures of likeness, each 1 for equal networks: ``(5, first, second)``.

    The share of layers with an equal operator; the mean likeness of the layers (near dilations are like each other);
    its square, which knows all pairs of layers; the likeness of what the stages see; that of the whole summaries.

    Args:
        first: of ``encode``.
        second: of the same space.
        reference: gives mean and deviation of each number of the summary.
    """
    shape = (len(first.layers), len(second.layers))
    equal, like = np.zeros(shape), np.zeros(shape)
    places = first.layers.shape[1]
    for place in range(places):
        # A place has few different layers, and a space many networks: each layer is compared once.
        layers, own = np.unique(first.layers[:, place], axis=0, return_inverse=True)
        a, b = layers[:, None], second.layers[None, :, place]  # (different, 1, 4), (1, second, 4)
        same_pooling, absent = a[..., 1] == b[..., 1], (a[..., 1] == ABSENT) != (b[..., 1] == ABSENT)
        distance = (a[..., 0] - b[..., 0]) ** 2 / 2 + 8 * ((a[..., 2:] - b[..., 2:]) ** 2).sum(-1)
        near = np.exp(-distance) * np.where(same_pooling, 1.0, OTHER_POOLING) * ~absent
        equal += (same_pooling & (a[..., 0] == b[..., 0])).astype(float)[own.ravel()]
        like += near[own.ravel()]
    like /= places
    summaries = [part.summary for part in (first, second, reference)]
    sight, whole = _gaussian(*(part[..., :2] for part in summaries)), _gaussian(*summaries)
    return np.stack([equal / places, like, like**2, sight, whole])


def _gaussian(first: Floats, second: Floats, reference: Floats) -> Floats:
    """Likeness of rows of numbers that are measured by their deviations in ``reference``: ``(first, second)``."""
    one, two, known = (part.reshape(len(part), -1) for part in (first, second, reference))
    mean, deviation = known.mean(0), known.std(0)
    varies = deviation > 1e-9
    one, two = ((part[:, varies] - mean[varies]) / deviation[varies] for part in (one, two))
    squares = (one**2).sum(1)[:, None] + (two**2).sum(1)[None] - 2 * one @ two.T
    return np.asarray(np.exp(-squares / (2 * max(varies.sum(), 1))))
