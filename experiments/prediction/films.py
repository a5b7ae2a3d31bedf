"""Films and cameras: frame by frame through a network, and written as a film of overlays with a legend."""

import errno
import math
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from experiments.data.decoders import silent_ffmpeg, silent_opencv
from experiments.data.files import Array
from experiments.model_file import ModelInfo
from experiments.prediction.pictures import overlay
from experiments.prediction.segmenter import TorchSegmenter
from experiments.runtime.decoding import check_utf8
from nas_space.errors import InputError

CODEC = "mp4v"
"""MPEG-4 Part 2: the only fast codec for mp4 in OpenCV's wheels."""
RATE = 25.0
"""Frames a second of a source that gives none."""
NO_ROOM = 2**20
"""A disk with fewer free bytes counts as full: the block of FFmpeg that did not fit leaves a little room."""
ENOUGH = 0.95
"""A film that ends before this share of its promised frames is damaged; their number is often an estimate."""


class Film:
    """A film or a camera as frames.

    Args:
        source: a file, or a camera's number.

    Raises:
        InputError: there is no such camera, or the file is no film, or its path is not UTF-8.
    """

    def __init__(self, source: Path | int) -> None:
        self.source = source
        self.is_camera = isinstance(source, int)
        if isinstance(source, int):
            wrong = f"camera {source}: there is none, or another program uses it; choose another --camera"
            with silent_ffmpeg():
                self._capture = cv2.VideoCapture(source)
        else:
            wrong = f"{source}: not a film, or damaged; copy it again or remove it"
            try:
                source.open("rb").close()
            except OSError as error:
                raise InputError(f"{source}: cannot be read ({error.strerror})") from None
            check_utf8(source)
            with silent_ffmpeg():
                self._capture = cv2.VideoCapture(str(source), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            self._capture.release()
            raise InputError(wrong)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if math.isfinite(rate) and 0 < rate <= 1000 else RATE
        promised = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.promised = int(promised) if not self.is_camera and math.isfinite(promised) and promised > 0 else None

    def __iter__(self) -> Iterator[Array]:
        """Frames ``(H, W, 3)`` uint8 RGB."""
        while True:
            with silent_opencv:
                is_read, frame = self._capture.read()
            if not is_read:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)

    def close(self) -> None:
        """Release the file or the camera."""
        self._capture.release()


class Writer:
    """An mp4 film that gets its name when it is complete.

    Args:
        path: the file; its folder exists.
        rate: frames per second.
        size: height and width of its frames; an odd side gets one more pixel.

    Raises:
        InputError: frames of this size or rate cannot be written, or the path is not UTF-8.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        check_utf8(path)
        self.path = path
        self.size = size[0] + size[0] % 2, size[1] + size[1] % 2  # chroma is stored for 2x2 pixels
        self.frames = 0
        self._temporary = path.with_name(f".{path.stem}.tmp.mp4")
        code = cv2.VideoWriter.fourcc(*CODEC)
        with silent_ffmpeg():
            self._writer = cv2.VideoWriter(str(self._temporary), cv2.CAP_FFMPEG, code, rate, self.size[::-1])
        if not self._writer.isOpened():
            self.abandon()
            frames = "frames of {}x{}".format(*self.size)
            raise InputError(f"{path}: {frames} at {rate:g} a second cannot be written as mp4; make the film smaller")

    def write(self, picture: Array, times: int = 1) -> None:
        """Add a frame ``(H, W, 3)`` uint8 RGB, cut or filled with white to the film's size."""
        canvas = np.full((*self.size, 3), 255, np.uint8)
        part = picture[: self.size[0], : self.size[1]]
        canvas[: part.shape[0], : part.shape[1]] = part[..., ::-1]
        with silent_opencv:
            for _ in range(times):
                self._writer.write(canvas)
        self.frames += times

    def finish(self) -> None:
        """Close the film and give it its name.

        Raises:
            OSError: the disk is full; OpenCV does not report it.
            InputError: it cannot be read back for another reason.
        """
        with silent_ffmpeg():
            self._writer.release()
            written = cv2.VideoCapture(str(self._temporary), cv2.CAP_FFMPEG)
            frames, is_read = max(int(written.get(cv2.CAP_PROP_FRAME_COUNT)), 0), written.read()[0]
            written.release()
        if not is_read or frames != self.frames:
            free = shutil.disk_usage(self.path.parent).free
            self.abandon()
            if free < NO_ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            count = f"{frames} of {self.frames} frames"
            raise InputError(f"{self.path}: {count} can be read back; try again, or give an --out on another disk")
        os.replace(self._temporary, self.path)

    def abandon(self) -> None:
        """Remove what has been written."""
        with silent_opencv:
            self._writer.release()
        self._temporary.unlink(missing_ok=True)


def predict_film(
    film: Film, segmenter: TorchSegmenter, info: ModelInfo, path: Path, limit: int | None = None
) -> dict[str, Any]:
    """Write a film of overlays at the source's frame rate; its legend holds all classes, since they come and go.

    With a slow network, a camera's frames are repeated to keep the true speed. Ctrl-C ends and keeps a recording.

    Args:
        film: the source; closed afterwards.
        segmenter: the network.
        info: its classes and colours.
        path: the mp4 file.
        limit: stop after so many frames.

    Returns:
        Frames read and promised, size, rate, and whether the source has ended early (``damaged``).

    Raises:
        InputError: there is not one frame, or they cannot be written.
        OSError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer: Writer | None = None
    read, start, complete = 0, time.perf_counter(), False
    total = min(film.promised or limit or 0, limit or film.promised or 0) or None
    try:
        for frame in tqdm(film, desc=path.stem, unit="frame", total=total, leave=False, disable=None):
            picture = overlay(frame, segmenter(frame), info.classes, info.colours, range(len(info.classes)))
            if writer is None:
                size, start = f"{frame.shape[0]}x{frame.shape[1]}", time.perf_counter()
                writer = Writer(path, film.rate, (picture.shape[0], picture.shape[1]))
            due = round((time.perf_counter() - start) * film.rate) + 1
            writer.write(picture, max(due - writer.frames, 1) if film.is_camera else 1)
            read += 1
            if read == limit:
                break
        complete = True
    except KeyboardInterrupt:
        if not film.is_camera:
            raise
        complete = True
    finally:
        film.close()
        if writer is not None and not complete:
            writer.abandon()
    if writer is None:
        camera, file = f"camera {film.source}: gives no frame", f"{film.source}: has no frame that can be read"
        raise InputError(camera if film.is_camera else file)
    writer.finish()
    damaged = film.promised is not None and read != limit and read < ENOUGH * film.promised
    return {"frames": read, "promised": film.promised, "size": size, "rate": film.rate, "damaged": damaged}
