"""Where an image file ends, by its own parts: what stands inside them, or is appended, is not taken for the end."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from experiments.runtime.decoding import decode_whole, is_whole

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
FILM = b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\x0c\xff\xd8" * 50
"""As a telephone appends it: marks of a JPEG may stand in it."""


def jpeg(pixels: np.ndarray = PIXELS, **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **how)
    return buffer.getvalue()


def part(kind: int, content: bytes) -> bytes:
    return bytes((0xFF, kind)) + (len(content) + 2).to_bytes(2, "big") + content


PLAIN = jpeg()
JPEGS = {
    "plain": PLAIN,
    "progressive": jpeg(progressive=True),
    "restarts": jpeg(restart_marker_blocks=1),
    "grey": jpeg(PIXELS[..., 0]),
    "thumbnail": PLAIN[:2] + part(0xE1, b"Exif\0\0" + jpeg(PIXELS[:8, :8])) + PLAIN[2:],
    "comment": PLAIN[:2] + part(0xFE, b"\xff\xd9\xff\xda") + PLAIN[2:],
    "filled": PLAIN[:2] + b"\xff\xff" + PLAIN[2:-2] + b"\xff\xff\xff\xd9",
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_ends_where_its_parts_do(name: str) -> None:
    data = JPEGS[name]
    for trailer in (b"", b"\0" * 100, b"\xff" * 100, FILM, PLAIN[: len(PLAIN) // 2]):
        assert is_whole(data + trailer)
    for keep in range(2, len(data) - 1, 7):
        assert not is_whole(data[:keep]), keep
    assert not is_whole(data[:-1]) and not is_whole(data[:-2]) and not is_whole(data[:-2] + b"\xff\0")
    decoded = decode_whole(data + FILM, cv2.IMREAD_COLOR)
    assert decoded is not None and decoded.shape == PIXELS.shape


def test_restarts_and_scans_are_there() -> None:
    assert JPEGS["restarts"].count(b"\xff\xd0") > 1 and JPEGS["progressive"].count(b"\xff\xda") > 1


def test_a_png_ends_where_its_parts_do() -> None:
    data = cv2.imencode(".png", PIXELS)[1].tobytes()
    for trailer in (b"", b"\0" * 100, FILM):
        assert is_whole(data + trailer)
    assert not any(is_whole(data[:keep]) for keep in range(8, len(data)))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xda\0\0\xff\xd9", b"text"]
)
def test_what_is_no_image_gives_none(data: bytes) -> None:
    assert decode_whole(data, cv2.IMREAD_COLOR) is None
