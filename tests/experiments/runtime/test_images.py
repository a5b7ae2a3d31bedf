"""Image files of all kinds: decoded whole, or refused in one line."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from experiments.runtime.images import decode_image, read_image
from nas_space.errors import InputError

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def encoded(kind: str, image: np.ndarray = IMAGE) -> bytes:
    flipped = image if image.ndim == 2 else image[..., [2, 1, 0, 3][: image.shape[2]]]
    return cv2.imencode(kind, flipped)[1].tobytes()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_what_is_decoded() -> None:
    assert np.array_equal(decode_image(encoded(".png"), "x"), IMAGE)
    assert decode_image(encoded(".jpg"), "x").shape == IMAGE.shape
    alpha = np.dstack((IMAGE, np.zeros((20, 30), np.uint8)))
    assert np.array_equal(decode_image(encoded(".png", alpha), "x"), IMAGE)
    deep = IMAGE.astype(np.uint16) * 257
    assert np.array_equal(decode_image(encoded(".png", deep), "x"), IMAGE)
    assert np.array_equal(decode_image(encoded(".png", IMAGE[..., 0]), "x"), IMAGE[..., [0, 0, 0]])


def test_the_orientation_that_a_camera_wrote() -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(IMAGE).save(buffer, "JPEG", exif=exif)
    assert decode_image(buffer.getvalue(), "x").shape == (30, 20, 3)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ""),
        (b"\0", ""),
        (encoded(".png")[:20], ""),
        (b"\xff\xd8\xff\xd9", ""),
        (b"just some text", "plain text"),
        (encoded(".bmp"), "BMP"),
        (encoded(".webp"), "WebP"),
        (b"<svg/>", "SVG"),
    ],
    ids=["empty", "zero", "header", "jpeg-of-nothing", "text", "bmp", "webp", "svg"],
)
def test_what_is_no_image(data: bytes, kind: str) -> None:
    reason = f"but {kind} by its content; save it as PNG" if kind else "or damaged"
    with pytest.raises(InputError, match=f"upload: not a JPEG or PNG image, {reason}"):
        decode_image(data, "upload")


@pytest.mark.parametrize("kind", [".png", ".jpg"])
def test_a_truncated_image(kind: str) -> None:
    data = encoded(kind)
    for keep in (len(data) // 2, len(data) - 20):
        with pytest.raises(InputError, match="upload: (the image is truncated|not a JPEG)"):
            decode_image(data[:keep], "upload")


@pytest.mark.parametrize("kind", [".png", ".jpg"])
def test_what_is_appended_does_no_harm(kind: str) -> None:
    data = encoded(kind)
    film = b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 100
    assert np.array_equal(decode_image(data + film, "x"), decode_image(data, "x"))


@pytest.mark.parametrize("sides", [(50_000, 50_000), (10_000, 10_000), (2**31 - 1, 1)])
def test_a_decompression_bomb_is_not_unpacked(sides: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="too many"):
        decode_image(bomb(*sides), "upload")


def test_the_number_of_pixels_is_limited() -> None:
    assert decode_image(encoded(".png"), "x", 600).shape == IMAGE.shape
    with pytest.raises(InputError, match="x: 30x20 pixels are too many; at most 599 are taken"):
        decode_image(encoded(".png"), "x", 599)


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    assert np.array_equal(read_image(tmp_path / "a.png"), IMAGE)
    with pytest.raises(InputError, match="none.png: cannot be read"):
        read_image(tmp_path / "none.png")
