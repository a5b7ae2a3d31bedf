"""What OpenCV is given: image files, decoded whole or not at all, and paths of films. No torch."""

import re
import zlib
from pathlib import Path

import numpy as np

from nas_space.errors import InputError

JPEG = b"\xff\xd8"
PNG = b"\x89PNG\r\n\x1a\n"
MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
"""Where the next part of a JPEG begins. The data of a scan hold stuffed zeros, restarts and fill instead."""


def decode_whole(data: bytes, flags: int) -> np.ndarray | None:
    """An image file's content, decoded by OpenCV; None where it is no image, truncated, or too large for OpenCV."""
    import cv2

    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data and is_whole(data) else None
    except cv2.error:
        return None


def is_whole(data: bytes) -> bool:
    """Whether a JPEG or a PNG has its end, and a PNG the right checksums; other formats are left to their decoder.

    OpenCV decodes the beginning of a cut JPEG and paints the rest grey, with no error. What follows the end does not
    count: a telephone appends a film, with marks of its own.
    """
    if data.startswith(JPEG):
        return _has_end_of_jpeg(data)
    return not data.startswith(PNG) or _has_end_of_png(data)


def _has_end_of_jpeg(data: bytes) -> bool:
    place = len(JPEG)
    while marker := MARKER.search(data, place):
        if marker[1] == b"\xd9":  # the end of the image
            return True
        # A part tells its length. That of a scan covers its header alone: the next marker is searched in its data.
        place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return False


def _has_end_of_png(data: bytes) -> bool:
    place, kind = len(PNG), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 8 + length
        checksum = int.from_bytes(data[end : end + 4], "big")
        if (kind == b"IHDR") != (place == len(PNG)):  # the header is first, and once: its bits are read by their place
            return False
        if end + 4 > len(data) or zlib.crc32(memoryview(data)[place + 4 : end]) != checksum:
            return False
        place = end + 4
    return True


def check_utf8(path: Path, what: str = "a film") -> None:
    """Refuse a path that OpenCV, or an engine, does not take.

    Args:
        path: the file.
        what: what messages call it.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{path}: is not UTF-8, as the path of {what} has to be; rename it") from None
