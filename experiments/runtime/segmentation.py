"""What a segmenter finds in an image: a class for every pixel, and pictures of it. No torch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.runtime.images import Pixels


@dataclass(frozen=True)
class Segmentation:
    """The classes of an image's pixels.

    Args:
        classes: class index of each pixel, uint8 ``(H, W)``.
        names: class names; a class's index is its place here.
        colours: RGB colour of each class.
        image: the image, uint8 ``(H, W, 3)`` RGB.
    """

    classes: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    image: Pixels

    def colour_map(self) -> Pixels:
        """Each pixel in the colour of its class, uint8 ``(H, W, 3)`` RGB."""
        return np.array(self.colours, np.uint8)[self.classes]

    def overlay(self, opacity: float = 0.5) -> Pixels:
        """The colours laid over the image, uint8 ``(H, W, 3)`` RGB.

        Args:
            opacity: 0 shows the image alone, 1 the colours alone.

        Raises:
            ValueError: ``opacity`` is not between 0 and 1.
        """
        if not 0 <= opacity <= 1:
            raise ValueError(f"opacity: {opacity} must be from 0 to 1")
        mixed = self.image * np.float32(1 - opacity) + self.colour_map() * np.float32(opacity)
        return (mixed + np.float32(0.5)).astype(np.uint8)

    def shares(self) -> dict[str, float]:
        """Share of the pixels of each class, by its name."""
        counts = np.bincount(self.classes.ravel(), minlength=len(self.names))
        return {name: int(count) / self.classes.size for name, count in zip(self.names, counts, strict=True)}
