"""The colours that the indices of a picture stand for. No torch."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.TiffImagePlugin import COLORMAP, TiffImageFile

from experiments.runtime.refusals import RefusedImageError

Palette = npt.NDArray[np.uint8]


def palette_of(image: Image.Image) -> Palette:
    """The palette ``(K, 3)`` of an image of Pillow's mode P or PA.

    A TIFF has samples of 16 bits in its colour map. Some programs write 8 bits there. Like libtiff, we take a map
    without any larger sample for such a one; Pillow would make it black.
    """
    if isinstance(image, TiffImageFile) and COLORMAP in image.tag_v2:
        colours = np.array(image.tag_v2[COLORMAP], np.uint16).reshape(3, -1).T
        return (colours if colours.max(initial=0) < 256 else colours >> 8).astype(np.uint8)
    return np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)


def check_indices(values: np.ndarray, palette: Palette) -> None:
    """Refuse indices that have no colour.

    Raises:
        RefusedImageError: the message names the largest.
    """
    largest = int(values.max(initial=0))
    if largest >= len(palette):
        problem = f"holds index {largest}, but its palette ends at {len(palette) - 1}"
        raise RefusedImageError(f"{problem}; save it with its whole palette, or as grey")
