"""Files of a data set: read and decoded whole, or refused in one line that names the file and the fix."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from experiments.data.decoders import patient_pillow
from experiments.runtime.decoding import is_whole
from experiments.runtime.kinds import HEAD, kind_of
from experiments.runtime.pixels import Decoded, decode_pixels
from experiments.runtime.refusals import RefusedImageError
from nas_space.errors import InputError

Array = npt.NDArray[np.uint8]


TWO_READINGS = "two readings"
"""Kind of a mistake: labels mean different classes in two ways, and nothing says which one counts."""
LEFT_OUT = "left out"
"""Kind of a remark: folders of images that are not used."""


class DataError(InputError):
    """What is wrong with one file or folder; the message names it and the fix.

    Args:
        kind: the kind of mistake, in two or three words.
        file: the wrong file; None for the data set as a whole.
        message: one line.
        stops: whether training cannot go on; otherwise it is a remark.
        values: label values that are no class: each in words, with the number of its pixels.
    """

    def __init__(
        self, kind: str, file: Path | None, message: str, stops: bool = True, values: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.file = file
        self.stops = stops
        self.values = dict(values or {})


def read_image(path: Path, bits: int | None = None, first_page: bool = False) -> Array:
    """The pixels of ``decode_image``; arguments and errors as there."""
    return decode_image(path, bits, first_page).pixels


def decode_image(path: Path, bits: int | None = None, first_page: bool = False) -> Decoded:
    """An image as ``(H, W, 3)`` uint8 RGB, turned by its EXIF orientation, as viewers and annotation tools show it.

    Args:
        path: the file.
        bits: bits of a sample that files of 16 bits hold; absent, what the file says, or seems to have.
        first_page: take the first of several pages, which are refused otherwise.

    Raises:
        DataError: the file cannot be read, is no image, is truncated, too large, or of a kind that is not read.
    """
    data = read_bytes(path)
    try:
        with patient_pillow:
            decoded = decode_pixels(data, bits=bits, first_page=first_page)
    except RefusedImageError as error:
        raise DataError("image format", path, f"{path}: {error}") from None
    if decoded is None:
        raise damaged(path, data)
    return decoded


def read_bytes(path: Path) -> bytes:
    """The file's content.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError("unreadable", path, f"{path}: cannot be read ({error.strerror})") from None


def damaged(path: Path, data: bytes) -> DataError:
    """The error for a file that no decoder takes for an image."""
    text, hint = f"{path}: not an image, or truncated", "copy it again or remove it"
    kind = kind_of(data[:HEAD])
    if not data:
        text += ": it is empty"
    elif kind is not None and is_whole(data):
        text, hint = f"{text}, or a rare kind of {kind} that is not read", "copy it again, or save it as PNG"
    return DataError("unreadable", path, f"{text}; {hint}")
