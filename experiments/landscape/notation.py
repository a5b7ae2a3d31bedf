"""A network as one short text: ``d1s1 d4s2 | d2s1 d8s1 d1s1``.

A layer is its operator, dilation and pooling factor. A layer that is not of full width is followed by the output
channels of its 3x1 and of its 1x3 convolution: ``d4s2:24x16``. A bar stands between stages. The space gives the rest.
"""

import re

from nas_space.architecture import Architecture, Layer
from nas_space.config import SpaceConfig, operator_name
from nas_space.errors import InputError

LAYER = re.compile(r"d(\d{1,4})s(\d{1,4})(?::(\d{1,4})x(\d{1,4}))?")


def to_text(architecture: Architecture) -> str:
    """The network's text."""
    stages = zip(architecture.stages, architecture.space.widths, strict=True)
    return " | ".join(" ".join(_layer_text(layer, full) for layer in layers) for layers, full in stages)


def _layer_text(layer: Layer, full: int) -> str:
    name, widths = operator_name(layer.dilation, layer.pooling), (layer.width_3x1, layer.width_1x3)
    return name if widths == (full, full) else f"{name}:{widths[0]}x{widths[1]}"


def from_text(space: SpaceConfig, text: str) -> Architecture:
    """Inverse of ``to_text``.

    Raises:
        InputError: the text is none of a network, or of one that the space does not contain.
    """
    stages = []
    for words, full in zip(text.split("|"), (*space.widths, *[0] * text.count("|")), strict=False):
        layers = []
        for word in words.split():
            match = LAYER.fullmatch(word)
            if match is None:
                raise InputError(f"architecture: {word[:40]!r} is no layer; write one as d4s2 or d4s2:24x16")
            dilation, pooling, first, second = (int(part or full) for part in match.groups())
            layers.append(Layer(dilation, pooling, first, second))
        stages.append(tuple(layers))
    return Architecture(space, tuple(stages))
