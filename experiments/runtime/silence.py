"""Settings of OpenCV and Pillow that hold for the whole process: changed to decode a file, then restored. No torch."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock

from experiments.runtime.resizing import HAS_OPENCV


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
    if not HAS_OPENCV:
        yield
        return
    import cv2

    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


@Shared
@contextmanager
def silent_pillow() -> Iterator[None]:
    """Pillow neither warns of large images and damaged tags nor logs them: our own message names the file."""
    logger = logging.getLogger("PIL")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
