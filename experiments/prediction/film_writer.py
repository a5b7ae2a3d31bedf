"""An mp4 film, written frame by frame, each at its time."""

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from experiments.data.files import Array
from experiments.runs.files import named
from nas_space.errors import InputError

CODEC = "mpeg4"
"""MPEG-4 Part 2: several times as fast as H.264."""
TICKS = 60000
"""Ticks of its clock in a second: the usual rates fall on whole ticks. MPEG-4 takes at most 65535."""
QUALITY = 3
"""Quantiser of the codec, the same for every frame: 1 is best, 31 smallest."""
LAMBDA = 118
"""FFmpeg's unit of a quantiser."""
SQUARE = Fraction(1)
LARGEST = 8191
"""Longest side that MPEG-4 can say."""


class Writer:
    """An mp4 film that gets its name when it is complete.

    Args:
        path: the file; its folder exists.
        rate: frames per second, on average; the last frame is shown so long.
        size: height and width of its frames; an odd side gets one more pixel.
        aspect: how wide a pixel is shown, by its height; both parts at most 255.

    Raises:
        InputError: frames of this size cannot be written.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int], aspect: Fraction = SQUARE) -> None:
        self.path = path
        self.size = size[0] + size[0] % 2, size[1] + size[1] % 2  # chroma is stored for 2x2 pixels
        if max(self.size) > LARGEST:
            frames = "frames of {}x{}".format(*self.size)
            raise InputError(f"{path}: {frames} cannot be written as mp4 ({LARGEST} is most); make the film smaller")
        self._last, self._step = -1, max(round(TICKS / rate), 1)
        self._temporary = path.with_name(f".{path.stem}.tmp.mp4")
        # Python opens the file: FFmpeg takes a path for UTF-8, and "12:30.mp4" for a protocol.
        self._file = self._temporary.open("wb")
        try:
            self._container = av.open(self._file, "w", format="mp4")
            options = {"flags": "+qscale", "global_quality": str(QUALITY * LAMBDA)}
            stream = self._container.add_stream(CODEC, Fraction(rate).limit_denominator(TICKS), options=options)
            self._stream = cast(VideoStream, stream)
            self._stream.height, self._stream.width = self.size
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, TICKS)
            if aspect != SQUARE:
                self._stream.codec_context.sample_aspect_ratio = aspect
        except BaseException:
            self.abandon()
            raise

    def write(self, picture: Array, seconds: float) -> None:
        """Add a frame.

        Args:
            picture: ``(H, W, 3)`` uint8 RGB, cut or filled with white to the film's size.
            seconds: when it is shown, later than the frame before.

        Raises:
            OSError: the disk is full.
        """
        canvas = picture
        if picture.shape[:2] != self.size:
            canvas = np.full((*self.size, 3), 255, np.uint8)
            part = picture[: self.size[0], : self.size[1]]
            canvas[: part.shape[0], : part.shape[1]] = part
        frame = VideoFrame.from_ndarray(canvas, format="rgb24")
        self._last = max(round(seconds * TICKS), self._last + 1)
        frame.pts, frame.time_base, frame.duration = self._last, Fraction(1, TICKS), self._step
        with named(self.path):
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Close the film and give it its name.

        Raises:
            OSError: the disk is full.
        """
        try:
            with named(self.path):
                self._container.mux(self._stream.encode(None))
                self._container.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
        except BaseException:
            self.abandon()
            raise
        os.replace(self._temporary, self.path)

    def abandon(self) -> None:
        """Remove what has been written."""
        with suppress(FFmpegError, OSError):  # a full disk may not take the last bytes either
            if hasattr(self, "_container"):
                self._container.close()
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)
