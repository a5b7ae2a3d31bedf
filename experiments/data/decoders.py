"""Settings of OpenCV and Pillow that hold for the whole process: changed to decode a file, then restored."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock

import cv2
from PIL import Image

LARGEST = 2**30
"""Pixels of the largest image that OpenCV decodes, and so of the largest mask."""


class Shared:
    """A context manager shared by threads: the first thread to enter sets it, the last to leave restores it.

    Args:
        make: gives the context manager that changes a setting and restores it.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[None]]) -> None:
        self._make = make
        self._lock = Lock()
        self._users = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._context = self._make()
                self._context.__enter__()
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._context.__exit__(None, None, None)


@Shared
@contextmanager
def silent_opencv() -> Iterator[None]:
    """OpenCV prints nothing about a damaged file: our own message names it."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


@Shared
@contextmanager
def patient_pillow() -> Iterator[None]:
    """Pillow takes images of up to ``LARGEST`` pixels, and does not warn of large images and damaged tags."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = LARGEST // 2  # it refuses twice as many
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit
