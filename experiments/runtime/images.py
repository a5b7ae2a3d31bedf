"""Image files and uploads as arrays: decoded whole, or refused in one line. No torch."""

import io
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from experiments.runtime.kinds import HEAD, kind_of
from experiments.runtime.pixels import decode_pixels
from experiments.runtime.refusals import RefusedImageError
from experiments.runtime.silence import silent_pillow
from nas_space.errors import InputError

Pixels = npt.NDArray[np.uint8]
MOST_PIXELS = 2**26  # 67 million: a photograph of a good camera


def read_image(path: str | Path, most_pixels: int = MOST_PIXELS, bits: int | None = None) -> Pixels:
    """A JPEG or PNG file as ``(H, W, 3)`` uint8 RGB; an ``InputError`` where it cannot be read or decoded."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return decode_image(data, str(path), most_pixels, bits)


def decode_image(data: bytes, name: str, most_pixels: int = MOST_PIXELS, bits: int | None = None) -> Pixels:
    """The content of a JPEG or PNG file as ``(H, W, 3)`` uint8 RGB.

    It is turned as its EXIF says, without alpha. Of 16 bits, or of 12 where all samples fit, the high eight are kept.

    Args:
        data: the content.
        name: what messages call it.
        most_pixels: larger images are refused by their header, before anything is unpacked.
        bits: bits of a sample that files of 16 bits hold; absent, what the file says, or seems to have.

    Raises:
        InputError: it is no image, truncated, or too large.
    """
    kind: type[PngImageFile] | type[JpegImageFile] = PngImageFile if data.startswith(b"\x89PNG") else JpegImageFile
    try:
        # Pillow reads the header alone. A few kilobytes may unpack to gigabytes.
        with silent_pillow, kind(io.BytesIO(data)) as header:
            width, height = header.size
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error):
        found = kind_of(data[:HEAD])
        if found is None or found in ("JPEG", "PNG"):
            raise InputError(f"{name}: not a JPEG or PNG image, or damaged") from None
        raise InputError(f"{name}: not a JPEG or PNG image, but {found} by its content; save it as PNG") from None
    if width * height > most_pixels:
        raise InputError(f"{name}: {width}x{height} pixels are too many; at most {most_pixels} are taken")
    try:
        decoded = decode_pixels(data, most_pixels, bits)
    except RefusedImageError as error:
        raise InputError(f"{name}: {error}") from None
    if decoded is None:
        raise InputError(f"{name}: the image is truncated or damaged")
    return decoded.pixels
