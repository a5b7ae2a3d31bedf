"""Image files: decoded whole or refused in one line that names the file."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from experiments.data.errors import DataError
from experiments.runtime.decoding import decode_whole

Array = npt.NDArray[np.uint8]

# What OpenCV would print about a damaged file is told by our own message.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_image(path: Path) -> Array:
    """An image as ``(H, W, 3)`` uint8 RGB, turned as its EXIF orientation says: as every viewer and annotation tool shows it.

    Raises:
        DataError: the file cannot be read, is no image, or is truncated.
    """
    return cv2.cvtColor(decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def decode(path: Path, flags: int) -> np.ndarray:
    """What OpenCV makes of the file.

    Raises:
        DataError: the file cannot be read, is no image, or is truncated.
    """
    image = decode_whole(read_bytes(path), flags)
    if image is None:
        raise damaged(path)
    return image


def read_bytes(path: Path) -> bytes:
    """The file's content.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError("unreadable", path, f"{path}: cannot be read ({error.strerror})") from None


def damaged(path: Path) -> DataError:
    """The error of a file whose content is no image."""
    return DataError("unreadable", path, f"{path}: not an image, or truncated; copy it again or remove it")
