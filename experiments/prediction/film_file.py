"""What the bytes of a film's file show: parts that FFmpeg's reader skips without a word.

Only containers whose parts say where the next one begins: mp4, FLV and MPEG transport streams.
"""

from typing import BinaryIO

PACKETS = {188: 0, 192: 4, 204: 0}
"""Lengths of a transport stream's packets, in bytes, and the place of the sync byte in each."""
SYNC = b"\x47"
IN_A_ROW = 4
"""So many packets must follow one another where reading begins anew: a sync byte alone is often chance."""
CHUNK = 1 << 22
TAG = 11
"""Bytes of the head of an FLV's tag; four with its length follow it."""
TAGS = (8, 9, 18)
"""Sound, picture and metadata."""
SECOND = "holds a second film behind the first, which is not read (join films with ffmpeg's concat)"


def unread_parts(file: BinaryIO, container: str) -> str | None:
    """What the reader of a film has skipped, in words; None if nothing, or if the container does not show it.

    Args:
        file: the film; read from its beginning to its end.
        container: FFmpeg's name of its format.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if container == "mpegts":
        return _of_stream(file)
    if container == "flv":
        return _of_flv(file, size)
    return _of_mp4(file, size) if "mp4" in container.split(",") else None


def _of_mp4(file: BinaryIO, size: int) -> str | None:
    """A second index. A film in fragments may repeat its own, and loses nothing."""
    place, kinds = 0, []
    while place + 8 <= size:
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        if length < 8:
            break  # 0: up to the end
        kinds.append(head[4:8])
        place += length
    return SECOND if kinds.count(b"moov") > 1 and b"moof" not in kinds else None


def _of_flv(file: BinaryIO, size: int) -> str | None:
    head = file.read(9)
    place = int.from_bytes(head[5:9], "big") + 4
    while place < size:
        file.seek(place)
        head = file.read(TAG)
        if head[:3] == b"FLV":
            return SECOND
        end = place + TAG + int.from_bytes(head[1:4], "big") + 4
        if len(head) < TAG or end - 4 > size:
            return "ends in the middle of a frame"
        if head[0] & 0x1F not in TAGS:
            file.seek(end - 4)
            if int.from_bytes(file.read(4), "big") != end - 4 - place:
                return f"cannot be read from byte {place:,} of {size:,} on up to its next whole part"
        place = end
    return None


def _of_stream(file: BinaryIO) -> str | None:
    data = file.read(CHUNK)
    starts = {length: _next_packet(data, 0, length) for length in PACKETS}
    known = [(start, length) for length, start in starts.items() if start is not None]
    if not known:
        return None
    place, length = min(known)  # before it, a recording may begin in the middle of a packet
    skipped = 0
    while True:
        beyond = place + length * ((len(data) - place) // length)
        marks = data[place + PACKETS[length] : beyond : length]
        right = len(marks) - len(marks.lstrip(SYNC))
        if right == len(marks):
            rest = data[beyond:]
            more = file.read(CHUNK)
            if not more:
                break
            data, place = rest + more, 0
            continue
        bad = place + right * length
        found = _next_packet(data, bad + 1, length)
        while found is None:
            keep = length * IN_A_ROW
            more = file.read(CHUNK)
            if not more:
                skipped += len(data) - bad
                return _told(skipped)
            cut = max(len(data) - keep, bad)
            skipped += cut - bad
            data, bad = data[cut:] + more, 0
            found = _next_packet(data, 0, length)
        skipped += found - bad
        place = found
    if skipped:
        return _told(skipped)
    return "ends in the middle of a packet" if rest else None


def _told(skipped: int) -> str:
    return f"{skipped:,} of its bytes cannot be read, some frames are missing"


def _next_packet(data: bytes, start: int, length: int) -> int | None:
    """Where the next packets begin, from ``start`` on."""
    offset = PACKETS[length]
    sync = data.find(SYNC, start + offset)
    while sync >= 0:
        places = [sync + length * step for step in range(1, IN_A_ROW)]
        if places[-1] < len(data) and all(data[place] == SYNC[0] for place in places):
            return sync - offset
        sync = data.find(SYNC, sync + 1)
    return None
