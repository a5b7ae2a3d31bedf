"""Image files: decoded whole or refused in one line that names the file."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from nas_space.errors import InputError

Array = npt.NDArray[np.uint8]


def read_image(path: Path) -> Array:
    """An image as ``(H, W, 3)`` uint8 RGB, turned as its EXIF orientation says.

    Raises:
        InputError: the file cannot be read, is no image, or is truncated.
    """
    return cv2.cvtColor(decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def decode(path: Path, flags: int) -> np.ndarray:
    """What OpenCV makes of the file.

    Raises:
        InputError: the file cannot be read, is no image, or is truncated.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    # OpenCV decodes the beginning of a cut file and paints the rest grey, with no error: look for the end marks first.
    if data.startswith(b"\xff\xd8"):
        complete = data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")  # end of image after the last start of scan
    else:
        complete = not data.startswith(b"\x89PNG") or b"IEND" in data[-64:]
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data and complete else None
    except cv2.error:  # a header that promises more pixels than OpenCV takes
        image = None
    if image is None:
        raise InputError(f"{path}: not an image, or truncated; copy it again or remove it")
    return image
