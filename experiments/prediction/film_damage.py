"""What shows that a film is not whole: where it ends, what its decoder marks, and what its reader has left out."""

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

ENOUGH = 0.95
"""A file that ends before this share of what its header promises is damaged; the header is often an estimate."""
OVERHEAD = 200
"""Bytes between two packets of a Matroska file that hold none: sizes, times, and now and then an index."""
PAUSE = 1.75
"""So many times the usual from one frame to the next: a frame may be missing."""
JOINT = 3
"""Packets before a clock that is set anew, where two recordings are joined: a reader may mark one of them."""


class Damage:
    """Watches the packets and the frames of a film.

    Args:
        container: FFmpeg's name of the file's format.
        stream: the picture.
        rate: frames a second, on average.
        length: seconds, as the header says; None if it does not.
    """

    def __init__(self, container: str, stream: VideoStream, rate: float, length: float | None) -> None:
        self._container, self._stream, self._rate, self._length = container, stream, rate, length
        self._extent = _Extent()
        self._unread = _Unread(1 / rate)
        self._packets = self._ticks = self._frames = 0
        self._ends_in_frame = False
        self._dts: int | None = None  # of the last packet
        self._marked: dict[int, int | None] = {}  # times of marked packets, by their number
        self._broken: set[object] = set()  # when they are shown
        self._broken_first = 0
        self._is_clean = False  # a frame that is not marked has come

    @property
    def _is_avi(self) -> bool:
        return self._container == "avi"

    def add_packet(self, packet: Packet) -> None:
        """The file's next packet, of any stream."""
        self._extent.add(packet)
        is_picture = packet.stream is self._stream
        if "matroska" in self._container:
            self._unread.add(packet, is_picture)
        if not is_picture:
            return
        self._packets += packet.size > 0
        self._ticks = max(self._ticks, self._packets, 1 + (packet.dts if packet.dts is not None else -1))
        if not packet.size:
            return
        is_joint = packet.dts is not None and self._dts is not None and packet.dts < self._dts
        if is_joint:
            for near in range(JOINT + 1):
                self._marked.pop(self._packets - near, None)
        elif packet.is_corrupt and self._is_clean:
            self._marked[self._packets] = packet.pts
        self._dts = packet.dts
        self._ends_in_frame = packet.is_corrupt

    def add_undecoded(self, packet: Packet) -> None:
        """A packet that cannot be decoded. Before the first frame, a film was cut, and begins between two pictures."""
        if self._frames:
            self._broken.add(packet.pts if packet.pts is not None else ("packet", self._packets))

    def add_frame(self, frame: VideoFrame) -> None:
        """The film's next frame. Those before the first one that is whole may lack what was cut off before them."""
        self._frames += 1
        if not frame.is_corrupt:
            self._is_clean = True
        elif self._is_clean:
            self._broken.add(frame.pts if frame.pts is not None else ("frame", self._frames))
        else:
            self._broken_first += 1

    def describe(self) -> str | None:
        """After the last frame: the damage in words, or None. Sound may be longer than the picture."""
        # Of a cut AVI, FFmpeg estimates the length by what is there. Its header counts ticks, also empty ones.
        if self._is_avi and self._ticks < ENOUGH * self._stream.frames:
            return f"ends after {self._ticks} of {self._stream.frames} frames"
        last = 2 / self._rate  # some containers do not say how long the last frame is shown
        length = self._length
        if length is not None and "matroska" in self._container and length > self._extent.begin:
            length -= self._extent.begin  # FFmpeg writes there when the film ends, not how long it is
        if length is not None and self._extent.seconds + last < ENOUGH * length:
            return f"ends after {self._extent.seconds:.1f} of {length:.1f} seconds"
        broken = len(self._broken | set(self._marked.values())) + (0 if self._is_clean else self._broken_first)
        if self._ends_in_frame and broken <= 1 and not self._unread.bytes:
            return "ends in the middle of a frame"
        parts = [f"{broken} of its {max(self._packets, broken)} frames are damaged"] if broken else []
        if self._unread.bytes:
            parts.append(f"{self._unread.bytes:,} bytes in its middle cannot be read, some frames are missing")
        return "; ".join(parts) or None


class _Extent:
    """How far the packets of a file reach, in seconds, over all streams."""

    def __init__(self) -> None:
        self._begin: float | None = None
        self._end = 0.0

    def add(self, packet: Packet) -> None:
        if packet.pts is None or packet.time_base is None:
            return
        begin = float(packet.pts * packet.time_base)
        end = begin + float((packet.duration or 0) * packet.time_base)
        self._begin, self._end = (begin, end) if self._begin is None else (min(self._begin, begin), max(self._end, end))

    @property
    def begin(self) -> float:
        return self._begin or 0.0

    @property
    def seconds(self) -> float:
        return self._end - self.begin


class _Unread:
    """Bytes of a Matroska file that its reader has left out: after damage it goes on at the next part of the file.

    Alone they show nothing, since a block may hold more than its packet. The picture must have a pause there too.

    Args:
        step: seconds from one frame to the next.
    """

    def __init__(self, step: float) -> None:
        self.bytes = 0
        self._step = step
        self._place: int | None = None  # after the last packet
        self._shown: float | None = None  # the latest frame

    def add(self, packet: Packet, is_picture: bool) -> None:
        if not packet.size or packet.pos is None:
            return
        seconds = float(packet.pts * packet.time_base) if packet.pts is not None and packet.time_base else None
        pauses = seconds is not None and self._shown is not None and seconds - self._shown > PAUSE * self._step
        left_out = packet.pos - self._place if self._place is not None else 0
        if is_picture and pauses and left_out > OVERHEAD:
            self.bytes += left_out
        if is_picture and seconds is not None:
            self._shown = seconds if self._shown is None else max(self._shown, seconds)
        self._place = packet.pos + packet.size
