"""What FFmpeg's readers skip without a word is told."""

import io
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from experiments.prediction.film_file import unread_parts
from experiments.prediction.film_reader import open_film

MakeFilm = Callable[..., Path]
SECOND = "holds a second film behind the first"
MIDDLE = "cannot be read from byte "


def box(kind: bytes, content: bytes = b"") -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def zeroed(data: bytes) -> bytes:
    middle, size = len(data) // 2, len(data) // 5
    return data[:middle] + bytes(size) + data[middle + size :]


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("a.mp4", lambda data: data, None),
        ("a.mp4", lambda data: 2 * data, SECOND),
        ("a.mov", lambda data: 2 * data, SECOND),
        ("a.mp4", lambda data: data + box(b"free", bytes(9)) + b"more", None),
        ("a.flv", lambda data: data, None),
        ("a.flv", lambda data: 2 * data, SECOND),
        ("a.flv", zeroed, MIDDLE),
        ("a.ts", lambda data: data, None),
        ("a.ts", lambda data: data[100:], None),
        ("a.ts", lambda data: 2 * data, None),
        ("a.ts", lambda data: data[:-100], "ends in the middle of a packet"),
        ("a.ts", lambda data: data[: len(data) // 2] + bytes(len(data) // 2), " of its bytes cannot be read"),
        ("a.ts", zeroed, " of its bytes cannot be read, some frames are missing"),
        ("a.m2ts", lambda data: data, None),
    ],
)
def test_a_film(name: str, change: Callable[[bytes], bytes], words: str | None, make_film: MakeFilm) -> None:
    path = make_film(name, codec="flv1" if name == "a.flv" else "mpeg4", noise=name != "a.flv")
    path.write_bytes(change(path.read_bytes()))
    with closing(open_film(path)) as film:
        assert len(list(film)) > 0
        assert film.damage is None if words is None else film.damage is not None and words in film.damage


@pytest.mark.parametrize("length", [188, 192, 204])
@pytest.mark.parametrize("garbage", [0, 1, 77, 10_000])
def test_bytes_between_packets_are_counted(length: int, garbage: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.prediction.film_file.CHUNK", 1024)
    packet = bytes(4 if length == 192 else 0) + b"\x47"
    packets = packet.ljust(length, b"\x01") * 50
    told = unread_parts(io.BytesIO(packets + b"\x02" * garbage + packets), "mpegts")
    assert told == (f"{garbage:,} of its bytes cannot be read, some frames are missing" if garbage else None)


def test_a_film_in_fragments_may_repeat_its_index() -> None:
    part = box(b"ftyp") + box(b"moov") + box(b"moof") + box(b"mdat")
    assert unread_parts(io.BytesIO(2 * part), "mov,mp4") is None
    long = (1).to_bytes(4, "big") + b"mdat" + (20).to_bytes(8, "big") + bytes(4)
    assert unread_parts(io.BytesIO(box(b"moov") + long + box(b"moov")), "mov,mp4") is not None


@pytest.mark.parametrize("container", ["mpegts", "flv", "mov,mp4"])
def test_noise_ends(container: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 50_000, np.uint8).tobytes()
    for data in (noise, b"", noise[:5], bytes(5000)):
        unread_parts(io.BytesIO(data), container)
