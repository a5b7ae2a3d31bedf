"""What goes into an exported network, what comes out, and which steps lie inside its graph. No torch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

INPUT = "image"


@dataclass(frozen=True)
class Interface:
    """Input and output of an exported network.

    Args:
        pixels: take images as they are read, uint8 ``(N, H, W, 3)`` RGB, and normalise them inside; otherwise float32
            ``(N, 3, H, W)``, normalised as in training.
        resize: upsample the logits to the images' size.
        argmax: give class indices, uint8 ``(N, h, w)``, instead of logits, float32 ``(N, classes, h, w)``.
    """

    pixels: bool = False
    resize: bool = False
    argmax: bool = False

    @property
    def output(self) -> str:
        return "classes" if self.argmax else "logits"

    def shape(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Shape of one image of ``size`` (height, width), as the network takes it."""
        return (1, *size, 3) if self.pixels else (1, 3, *size)

    def noise(self, shape: tuple[int, ...], generator: np.random.Generator) -> npt.NDArray[np.generic]:
        """A random input of ``shape``: uint8 pixels, or float32 as normalised images are."""
        if self.pixels:
            return generator.integers(0, 256, shape, dtype=np.uint8)
        return generator.standard_normal(shape, dtype=np.float32)


PLAIN = Interface()
"""Normalised images in, logits out."""
