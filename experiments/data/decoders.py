"""How large images may be that Pillow opens as files of a data set."""

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from experiments.runtime.silence import Shared, silent_pillow

LARGEST = 2**30
"""Pixels of the largest image that OpenCV decodes, and so of the largest mask."""


@Shared
@contextmanager
def patient_pillow() -> Iterator[None]:
    """Pillow takes images of up to ``LARGEST`` pixels, and says nothing of large images and damaged tags."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = LARGEST // 2  # it refuses twice as many
    try:
        with silent_pillow:
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit
