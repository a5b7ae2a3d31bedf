"""What an exported file says of itself: everything that an application must know to use it. No torch."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from experiments.options.groups import parse_bits, parse_classes, parse_size
from experiments.runtime.interface import Interface
from nas_space.config import MOST_STAGES, smallest_side
from nas_space.errors import InputError

FORMAT = "ssr-nas export 1"
SCALE, OFFSET = 4 / 255, -2.0
"""Normalisation of the networks of this project: pixel * SCALE + OFFSET, that is, 0..255 becomes -2..2."""

Precision = Literal["fp32", "int8"]
T = TypeVar("T")


@dataclass(frozen=True)
class Description:
    """An exported network in words; in a file, one JSON text a key.

    Args:
        classes: class names, one a channel of the logits.
        colours: RGB colour of each class.
        size: height and width of the images, in pixels; where the file takes any size, those that it was trained on.
        dynamic: whether it takes any number of images of any size.
        interface: what lies inside the graph.
        precision: ``fp32`` or ``int8``.
        lowering: the form of partial residuals: pad, concat or zeros.
        head: ``encoder`` or ``fusion`` (logits at 1/8), ``aggregation`` (at 1/4), or ``peer`` (at a resolution of its
            own).
        dataset: what it was trained on.
        architecture: its layers, as in ``architecture.json``; of a peer its name.
        scale: pixels, 0 to 255, are multiplied by it,
        offset: then this is added, and the result is the network's input.
        image_bits: bits of a sample in image files of 16 bits, as they were read in training; None if there were none.
    """

    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    size: tuple[int, int]
    dynamic: bool
    interface: Interface
    precision: Precision
    lowering: str
    head: str
    dataset: str
    architecture: Mapping[str, Any]
    scale: float = SCALE
    offset: float = OFFSET
    image_bits: int | None = None

    @property
    def smallest_side(self) -> int:
        """Least height and width of an image, in pixels."""
        stages = self.architecture.get("stages")
        return smallest_side(len(stages) if isinstance(stages, list) and len(stages) <= MOST_STAGES else 0)

    def metadata(self) -> dict[str, str]:
        """One JSON text a key; ``from_metadata`` is its inverse."""
        content = {
            "format": FORMAT,
            "classes": self.classes,
            "colours": self.colours,
            "size": "{}x{}".format(*self.size),
            "dynamic": self.dynamic,
            **asdict(self.interface),
            "normalisation": {"scale": self.scale, "offset": self.offset},
            **{key: getattr(self, key) for key in ("precision", "lowering", "head", "dataset", "architecture")},
        }
        if self.image_bits is not None:
            content["image_bits"] = self.image_bits
        return {key: json.dumps(value) for key, value in content.items()}

    @classmethod
    def from_metadata(cls, file: object, metadata: Mapping[str, str]) -> "Description":
        """Read what ``metadata`` wrote.

        Args:
            file: the file, for messages.
            metadata: its texts.

        Raises:
            InputError: the file is not of this toolkit, or a text is damaged.
        """
        if metadata.get("format") != json.dumps(FORMAT):
            raise InputError(f"{file}: does not say that ssr-nas export wrote it; export the trained network again")
        try:
            content = {key: json.loads(metadata[key]) for key in metadata}
            classes, colours = parse_classes(content["classes"], content["colours"])
            scale, offset = (float(content["normalisation"][key]) for key in ("scale", "offset"))
            if not math.isfinite(scale) or not math.isfinite(offset):
                raise ValueError("normalisation")
            return cls(
                classes=classes,
                colours=colours,
                size=parse_size(content["size"]),
                dynamic=_check_type(content["dynamic"], bool),
                interface=Interface(*(_check_type(content[key], bool) for key in ("pixels", "resize", "argmax"))),
                precision="int8" if content["precision"] == "int8" else "fp32",  # once "32"
                **{key: _check_type(content[key], str) for key in ("lowering", "head", "dataset")},
                architecture=_check_type(content["architecture"], dict),
                scale=scale,
                offset=offset,
                image_bits=parse_bits(content.get("image_bits")),
            )
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise InputError(f"{file}: what it says of itself is damaged ({reason}); export it again") from None


def _check_type(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
