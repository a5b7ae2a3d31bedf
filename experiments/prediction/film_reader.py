"""Frames of films, moving pictures and cameras, each with its time."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple, Protocol

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageSequence, UnidentifiedImageError

from experiments.data.decoders import patient_pillow
from experiments.data.files import Array
from experiments.data.orientation import read_orientation
from experiments.prediction.film_clock import Clock
from experiments.prediction.film_damage import Damage
from experiments.prediction.film_file import unread_parts
from experiments.prediction.film_frame import pixels_of
from experiments.runtime.kinds import kind_of_file
from experiments.runtime.silence import silent_opencv
from nas_space.errors import InputError

RATE = 25.0
"""Frames a second of a source that gives none."""
FASTEST = 1000.0
FIRST = 64
"""Packets that show how long the film's gaps usually are."""
MOST_PARTS = 255
"""Largest number in a pixel's aspect ratio that MPEG-4 can say."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes an EXIF orientation; Pillow turns anticlockwise."""
MOVING = ("GIF", "PNG", "WebP")
"""Kinds of image files that may hold a moving picture."""


class Frame(NamedTuple):
    """One frame of a film.

    Args:
        seconds: when it is shown, from the first frame on; always later than the frame before.
        pixels: ``(H, W, 3)`` uint8 RGB.
    """

    seconds: float
    pixels: Array


class Frames(Protocol):
    """A source of frames.

    Args:
        source: a file, or a camera's number.
        rate: frames a second, on average.
        promised: number of frames as the file gives or estimates it; None if it does not.
        damage: after the last frame: what shows that the file is not whole, in words; else None.
        remark: what of the source is read, in words, if that is not all; else None.
        aspect: from the first frame on: how wide a pixel is shown, by its height.
    """

    rate: float
    promised: int | None
    damage: str | None
    remark: str | None
    aspect: Fraction

    @property
    def source(self) -> Path | int: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Release the file or the camera."""


def open_film(path: Path) -> Frames:
    """A film, or a moving GIF, PNG or WebP.

    Raises:
        InputError: the file cannot be read, or is no film.
    """
    return MovingPicture(path) if kind_of_file(path) in MOVING else Film(path)


class Film:
    """A film of any container and codec that FFmpeg decodes, turned as its metadata says.

    Raises:
        InputError: the file cannot be read, or holds no film.
    """

    def __init__(self, path: Path) -> None:
        self.source: Path | int = path
        self.damage: str | None = None
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        try:
            # A list of other files or addresses is no film: no protocol is allowed. What is opened is open already.
            options = {"protocol_whitelist": "none"}
            self._container = av.open(self._file, "r", metadata_errors="replace", options=options)
        except (FFmpegError, OSError, ValueError):
            self._file.close()
            raise InputError(f"{path}: not a film, or damaged; copy it again or remove it") from None
        films = [s for s in self._container.streams.video if not s.disposition & s.disposition.attached_pic]
        if not films:
            self.close()
            raise InputError(f"{path}: holds no film, only sound or still pictures; remove it")
        self._stream: VideoStream = next((s for s in films if s.disposition & s.disposition.default), films[0])
        self.remark: str | None = None
        if len(films) > 1:
            which = f"number {films.index(self._stream) + 1} ({self._stream.height}x{self._stream.width})"
            self.remark = f"holds {len(films)} picture streams; only {which} is read"
        self.aspect = Fraction(1)
        self._stream.thread_type = "AUTO"
        # Of an AVI, FFmpeg's average is the rate of the header's ticks, of which many may be empty.
        average = self._stream.guessed_rate if self._is_avi else self._stream.average_rate
        rate = float(average or self._stream.base_rate or 0)
        self.rate = rate if 0 < rate <= FASTEST else RATE
        length = self._container.duration
        self._length = float(length / av.time_base) if length and length > 0 else None
        estimate = round(self._length * self.rate) if self._length else None
        self.promised = (estimate if self._is_avi else self._stream.frames or estimate) or None

    @property
    def _is_avi(self) -> bool:
        return self._container.format.name == "avi"

    def __iter__(self) -> Iterator[Frame]:
        packets = self._packets()
        first = list(islice(packets, FIRST))
        clock = Clock(self.rate, self._usual_gap(first))
        damage = Damage(self._container.format.name, self._stream, self.rate, self._length)
        is_first = True
        for packet in chain(first, packets):
            damage.add_packet(packet)
            if packet.stream is not self._stream:
                continue
            try:
                frames = self._stream.decode(packet)
            except FFmpegError:
                damage.add_undecoded(packet)
                continue
            for frame in frames:
                damage.add_frame(frame)
                if is_first:
                    is_first, self.aspect = False, self._shown_aspect(frame)
                yield Frame(clock.tell(frame.time), pixels_of(frame, self.source))
        parts = damage.describe(), unread_parts(self._file, self._container.format.name)
        self.damage = "; ".join(part for part in parts if part is not None) or None

    def _packets(self) -> Iterator[Packet]:
        """Those of all streams, up to the end or to damage that FFmpeg cannot pass."""
        with suppress(FFmpegError):
            yield from self._container.demux()

    def _usual_gap(self, packets: list[Packet]) -> float:
        """Seconds from one frame to the next, the median of the first ones; 0 if they do not show it."""
        times = sorted(packet.pts for packet in packets if packet.stream is self._stream and packet.pts is not None)
        gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
        return float(median(gaps) * (self._stream.time_base or 0)) if gaps else 0.0

    def _shown_aspect(self, frame: VideoFrame) -> Fraction:
        """A pixel's width by its height, upright; 1 where the film has none, or none that an mp4 takes."""
        aspect = Fraction(self._stream.sample_aspect_ratio or 1).limit_denominator(MOST_PARTS)
        if not 0 < aspect <= MOST_PARTS or max(aspect.numerator, aspect.denominator) > MOST_PARTS:
            return Fraction(1)
        return 1 / aspect if round(frame.rotation / 90) % 2 else aspect

    def close(self) -> None:
        with suppress(FFmpegError):
            self._container.close()
        self._file.close()


class MovingPicture:
    """A moving GIF, PNG or WebP, turned as its EXIF says.

    Raises:
        InputError: the file cannot be read, or is damaged.
    """

    remark: str | None = None
    aspect = Fraction(1)

    def __init__(self, path: Path) -> None:
        self.source: Path | int = path
        self.damage: str | None = None
        try:
            with patient_pillow, ExitStack() as undo:
                self._image = undo.enter_context(Image.open(path, formats=("GIF", "PNG", "WEBP")))
                self.promised: int | None = getattr(self._image, "n_frames", 1)
                undo.pop_all()  # it stays open
        except UnidentifiedImageError:
            raise _damaged(path) from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
        except Exception:  # Pillow raises a dozen kinds for a damaged file
            raise _damaged(path) from None
        self._turn = TURNS.get(read_orientation(path))
        self._seconds = self._shown()
        self.rate = min(1 / self._seconds, FASTEST)

    def _shown(self) -> float:
        """How long the frame is shown, in seconds; browsers take a tenth where the file gives next to nothing."""
        milliseconds = float(self._image.info.get("duration") or 0)
        return milliseconds / 1000 if milliseconds > 10 else 0.1

    def __iter__(self) -> Iterator[Frame]:
        start = 0.0
        try:
            with patient_pillow:
                for index, frame in enumerate(ImageSequence.Iterator(self._image)):
                    picture = frame.convert("RGB")
                    pixels = np.asarray(picture if self._turn is None else picture.transpose(self._turn))
                    if index == 0 and self._image.info.get("default_image"):
                        continue  # what programs show that know no moving PNG
                    yield Frame(start, pixels)
                    start += self._shown()
        except GeneratorExit:
            raise
        except Exception:  # Pillow raises a dozen kinds for a damaged file
            self.damage = f"ends after {start:.1f} seconds, in the middle of a frame"

    def close(self) -> None:
        self._image.close()


class Camera:
    """A camera, whose frames have the time at which they came.

    Raises:
        InputError: there is no such camera.
    """

    promised: int | None = None
    damage: str | None = None
    remark: str | None = None
    aspect = Fraction(1)

    def __init__(self, number: int) -> None:
        self.source: Path | int = number
        with silent_opencv:
            self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            self._capture.release()
            raise InputError(f"camera {number}: there is none, or another program uses it; choose another --camera")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= FASTEST else RATE

    def __iter__(self) -> Iterator[Frame]:
        clock = Clock(self.rate)
        while True:
            with silent_opencv:
                is_read, frame = self._capture.read()
            if not is_read:
                return
            pixels = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
            yield Frame(clock.tell(time.perf_counter()), pixels)

    def close(self) -> None:
        self._capture.release()


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: not a moving picture, or damaged; copy it again or remove it")
