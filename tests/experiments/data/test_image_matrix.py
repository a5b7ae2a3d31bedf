"""Every kind of image file gives the colours that are in it, as Pillow or tifffile read them, or a message."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from experiments.data import files
from experiments.data.files import DataError, read_image
from experiments.runtime.images import decode_image
from nas_space.errors import InputError

RGB = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
ALPHA = np.full(RGB.shape[:2], 255, np.uint8)
ALPHA[:, :20] = 60
GREY = RGB[..., 0]
DEEP = RGB.astype(np.uint16) * 257
GREYS = np.stack([GREY] * 3, -1)


def expected(path: Path) -> np.ndarray:
    """What Pillow sees, whose palettes and inks become RGB, with the alpha channel dropped."""
    with warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")  # of transparency in a palette
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff(mode: str, compression: str, tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([RGB, ALPHA]) if mode == "RGBA" else RGB)
    image = image if mode == "RGBA" else image.convert(mode)
    if mode == "LA":
        image.putalpha(Image.fromarray(ALPHA))
    image.save(tmp_path / "a.tif", compression=compression)
    try:
        wanted = expected(tmp_path / "a.tif")
    except OSError:
        pytest.skip("an old Pillow does not read what it wrote")
    assert np.array_equal(read_image(tmp_path / "a.tif"), wanted)
    if mode in ("RGB", "RGBA"):
        assert np.array_equal(read_image(tmp_path / "a.tif"), RGB)


TIFFS: dict[str, tuple[np.ndarray, dict[str, Any], np.ndarray | str]] = {
    "planar": (np.moveaxis(RGB, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}, RGB),
    "tiled": (RGB, {"photometric": "rgb", "tile": (16, 16)}, RGB),
    "big": (RGB, {"photometric": "rgb", "bigtiff": True}, RGB),
    "big endian": (RGB, {"photometric": "rgb", "byteorder": ">"}, RGB),
    "unassociated alpha": (np.dstack([RGB, ALPHA]), {"photometric": "rgb", "extrasamples": ["unassalpha"]}, RGB),
    "a fourth band": (np.dstack([RGB, ALPHA]), {"photometric": "rgb", "extrasamples": ["unspecified"]}, RGB),
    "grey": (GREY, {"photometric": "minisblack"}, GREYS),
    "white is zero": (GREY, {"photometric": "miniswhite"}, 255 - GREYS),
    "grey with alpha": (
        np.dstack([GREY, ALPHA]),
        {"photometric": "minisblack", "extrasamples": ["unassalpha"], "planarconfig": "contig"},
        GREYS,
    ),
    "deep": (DEEP, {"photometric": "rgb"}, RGB),
    "deep, big endian": (DEEP, {"photometric": "rgb", "byteorder": ">"}, RGB),
    "deep, deflated": (DEEP, {"photometric": "rgb", "compression": "zlib"}, RGB),
    "deep with alpha": (
        np.dstack([DEEP, ALPHA.astype(np.uint16) * 257]),
        {"photometric": "rgb", "extrasamples": ["unassalpha"]},
        RGB,
    ),
    "deep grey": (DEEP[..., 0], {"photometric": "minisblack"}, GREYS),
    "deep grey, big endian": (DEEP[..., 0], {"photometric": "minisblack", "byteorder": ">"}, GREYS),
    "deep white is zero": (DEEP[..., 0], {"photometric": "miniswhite"}, "white is 0., 1 sample of 16 bits"),
    "deep planar": (np.moveaxis(DEEP, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}, "separate planes"),
    "bands": (RGB, {"photometric": "minisblack", "planarconfig": "contig"}, "3 grey bands"),
    "two bands": (RGB[..., :2], {"photometric": "minisblack", "planarconfig": "contig"}, "2 grey bands"),
    "five bands": (np.dstack([RGB, RGB])[..., :5], {"photometric": "minisblack", "planarconfig": "contig"}, "5 grey"),
    "deep bands": (DEEP, {"photometric": "minisblack", "planarconfig": "contig"}, "3 grey bands"),
    "float": (GREY.astype(np.float32), {"photometric": "minisblack"}, "floating-point"),
    "float colours": (RGB.astype(np.float32) / 255, {"photometric": "rgb"}, "floating-point"),
    "double": (GREY.astype(np.float64), {"photometric": "minisblack"}, "floating-point"),
    "half": (GREY.astype(np.float16), {"photometric": "minisblack"}, "floating-point"),
    "signed": (GREY.astype(np.int16), {"photometric": "minisblack"}, "signed"),
    "long": (GREY.astype(np.uint32), {"photometric": "minisblack"}, "32 bits"),
    "pages": (np.stack([RGB] * 2), {"photometric": "rgb"}, "2 pages"),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiff_by_tifffile(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    values, tags, result = TIFFS[name]
    tags = dict(tags)
    big, order = tags.pop("bigtiff", False), tags.pop("byteorder", "<")
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=big, byteorder=order) as writer:
        writer.write(values, metadata=None, **tags)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert np.array_equal(file.asarray(), values)
    if isinstance(result, str):
        with pytest.raises(DataError, match=rf"a\.tif: .*{result}"):
            read_image(tmp_path / "a.tif")
    else:
        assert np.array_equal(read_image(tmp_path / "a.tif"), result)
    assert capfd.readouterr().err == ""


def test_a_small_copy_is_no_page(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(RGB, photometric="rgb")
        writer.write(RGB[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    assert np.array_equal(read_image(tmp_path / "a.tif"), RGB)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "transparent"])
@pytest.mark.parametrize("kind", ["png", "bmp", "gif", "webp", "ppm", "jp2"])
def test_other_kinds(mode: str, kind: str, tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([RGB, ALPHA]))
    image = image.convert("P" if mode == "transparent" else mode)
    more: dict[str, Any] = {"transparency": 3} if mode == "transparent" else {}
    if kind == "webp":
        more |= {"lossless": True, "exact": True}
    try:
        image.save(tmp_path / f"a.{kind}", **more)
    except (OSError, ValueError):
        pytest.skip("Pillow does not write it")
    assert np.array_equal(read_image(tmp_path / f"a.{kind}"), expected(tmp_path / f"a.{kind}"))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg(mode: str, progressive: bool, tmp_path: Path) -> None:
    smooth = Image.fromarray(cv2.GaussianBlur(RGB, (0, 0), 3)).convert(mode)
    smooth.save(tmp_path / "a.jpg", quality=95, progressive=progressive, subsampling=0)
    difference = np.abs(read_image(tmp_path / "a.jpg").astype(int) - expected(tmp_path / "a.jpg"))
    assert difference.max() <= 3


def png(depth: int, samples: np.ndarray, more: bytes = b"", colour: int = 0) -> bytes:
    """A PNG of 1 to 16 bits a sample, with raw values."""
    bits = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(*samples.shape, 2), axis=-1)[..., 16 - depth :]
    rows = np.packbits(bits.reshape(len(samples), -1), axis=-1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    width = samples.shape[1]

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, len(samples), depth, colour, 0, 0, 0)
    middle = part(more[:4], more[4:]) if more else b""
    return (
        b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + middle + part(b"IDAT", zlib.compress(lines)) + part(b"IEND", b"")
    )


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_png_of_every_depth(depth: int, tmp_path: Path) -> None:
    values = DEEP[..., 0] >> (16 - depth)
    (tmp_path / "a.png").write_bytes(png(depth, values))
    scaled = np.round(values.astype(float) * 255 / (2**depth - 1)).astype(np.uint8)
    assert np.abs(read_image(tmp_path / "a.png")[..., 0].astype(int) - scaled).max() <= (depth == 16)


def write_png(path: Path, values: np.ndarray, more: bytes = b"") -> None:
    path.write_bytes(png(16, values, more))


def write_tiff(path: Path, values: np.ndarray, **more: Any) -> None:
    tifffile.imwrite(path, values, photometric="rgb" if values.ndim == 3 else "minisblack", metadata=None, **more)


def write_deep(path: Path, values: np.ndarray) -> None:
    assert cv2.imwrite(str(path), values[..., ::-1] if values.ndim == 3 else values)


@pytest.mark.parametrize("write", [write_png, write_tiff, write_deep])
@pytest.mark.parametrize("bits", [8, 12])
def test_few_bits_in_16_are_as_bright_as_they_were(write: Callable[..., None], bits: int, tmp_path: Path) -> None:
    write(tmp_path / "a.png", GREY.astype(np.uint16) << (bits - 8))
    pixels, assumed = files.decode_image(tmp_path / "a.png")
    assert np.array_equal(pixels, GREYS) and assumed == bits
    if write is not write_tiff:
        assert np.array_equal(decode_image((tmp_path / "a.png").read_bytes(), "x"), GREYS)


@pytest.mark.parametrize("kind", ["png", "tif", "ppm"])
def test_colours_of_12_bits(kind: str, tmp_path: Path) -> None:
    write_deep(tmp_path / f"a.{kind}", RGB.astype(np.uint16) * 16)
    assert np.array_equal(read_image(tmp_path / f"a.{kind}"), RGB)


def test_the_file_s_own_bits_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = GREY.astype(np.uint16) * 4  # 10 bits
    write_png(tmp_path / "a.png", values, b"sBIT\x0a")
    write_tiff(tmp_path / "a.tif", values, extratags=[(281, 3, 1, 1023, True)])
    (tmp_path / "a.pgm").write_bytes(b"P5\n40 24\n1023\n" + values.astype(">u2").tobytes())
    for name in ("a.png", "a.tif"):
        assert np.array_equal(read_image(tmp_path / name), GREYS), name
    assert np.abs(read_image(tmp_path / "a.pgm").astype(int) - GREYS).max() <= 1
    write_png(tmp_path / "a.png", DEEP[..., 0], b"sBIT\x0a")  # as the standard has it: scaled to 16 bits
    assert np.array_equal(read_image(tmp_path / "a.png"), GREYS)
    assert capsys.readouterr().err == ""


def test_black_is_black(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 4), np.uint16))
    assert read_image(tmp_path / "a.png").max() == 0 and capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["png", "tif", "bmp", "ppm", "jp2"])
def test_an_image_that_is_too_large_is_refused_by_its_header(kind: str, tmp_path: Path) -> None:
    data = {
        "png": b"\x89PNG\r\n\x1a\n" + png(8, np.zeros((2, 2), np.uint16))[8:],
        "bmp": b"",
        "ppm": b"P5\n65536 65536\n255\n" + bytes(99),
        "tif": b"",
        "jp2": b"",
    }[kind]
    if not data:
        buffer = io.BytesIO()
        Image.fromarray(RGB).save(buffer, {"bmp": "BMP", "tif": "TIFF", "jp2": "JPEG2000"}[kind])
        data = buffer.getvalue()
    if kind == "png":
        data = data[:16] + struct.pack(">II", 65536, 65536) + data[24:]
        data = data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]
    elif kind == "bmp":
        data = data[:18] + struct.pack("<ii", 65536, 65536) + data[26:]
    elif kind == "jp2":
        place = data.index(b"ihdr") + 4
        data = data[:place] + struct.pack(">II", 65536, 65536) + data[place + 8 :]
    elif kind == "tif":
        place, count = struct.unpack("<I", data[4:8])[0], 12
        for i in range(struct.unpack("<H", data[place : place + 2])[0]):
            entry = place + 2 + i * count
            if struct.unpack("<H", data[entry : entry + 2])[0] in (256, 257):
                data = data[:entry] + data[entry : entry + 2] + struct.pack("<HII", 4, 1, 65536) + data[entry + 12 :]
    (tmp_path / f"a.{kind}").write_bytes(data)
    with pytest.raises(DataError, match=rf"a\.{kind}: .*too many"):
        read_image(tmp_path / f"a.{kind}")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0\0\0\x20ftypisom" + bytes(60), "is a film"),
        (b"\0\0\0\x20ftypheic" + bytes(60), "is HEIF by its content, which is not read; save it as PNG"),
        (b"%PDF-1.4" + bytes(60), "is PDF by"),
        (b"8BPS" + bytes(60), "is Photoshop by"),
        (b"<svg></svg>", "is SVG by"),
        (b"text", "is plain text by its content, .*give the image itself"),
        (b"", "not an image, or truncated: it is empty"),
    ],
)
def test_files_of_the_wrong_kind(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.png: .*{reason}"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_a_moving_picture_is_no_image(kind: str, tmp_path: Path) -> None:
    first, second = Image.fromarray(RGB), Image.fromarray(255 - RGB)
    first.save(tmp_path / f"a.{kind}", save_all=True, append_images=[second], duration=100)
    with pytest.raises(DataError, match="is a moving picture.* page"):
        read_image(tmp_path / f"a.{kind}")
    if kind == "png":
        with pytest.raises(InputError, match="upload: is a moving picture"):
            decode_image((tmp_path / "a.png").read_bytes(), "upload")


@pytest.mark.parametrize("kind", ["png", "tif", "ppm"])
@pytest.mark.parametrize("bits", [8, 10, 14, 16])
def test_bits_that_are_given(bits: int, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = (DEEP >> (16 - bits)).astype(np.uint16)
    write_deep(tmp_path / f"a.{kind}", values)
    assert np.array_equal(read_image(tmp_path / f"a.{kind}", bits), RGB)
    if bits > 8:
        with pytest.raises(DataError, match=f"more than {bits - 1} bits; .* data.image_bits"):
            read_image(tmp_path / f"a.{kind}", bits - 1)
    assert capsys.readouterr().err == ""
