"""Image files: decoded whole or refused in one line that names the file."""

import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from experiments.data.errors import DataError

Array = npt.NDArray[np.uint8]

PNG = b"\x89PNG\r\n\x1a\n"

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
    data = read_bytes(path)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data and is_whole(data) else None
    except cv2.error:  # a header that promises more pixels than OpenCV takes
        image = None
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


def is_whole(data: bytes) -> bool:
    """Whether a JPEG or a PNG has its end, and a PNG the checksums of its parts; other formats are left to their decoder.

    OpenCV decodes the beginning of a cut JPEG and paints the rest grey, with no error.
    """
    if data.startswith(b"\xff\xd8"):
        return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")  # end of image after the last start of scan
    if not data.startswith(PNG):
        return True
    place, kind = len(PNG), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 8 + length
        if end + 4 > len(data) or zlib.crc32(memoryview(data)[place + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        place = end + 4
    return True
