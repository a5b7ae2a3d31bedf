"""Sound files of kinds that are not read: named by both readers, of images and of masks, with the cure."""

import io
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from experiments.data.files import DataError, read_image
from experiments.data.label_file import open_label, read_palette

GREY = np.arange(16 * 24, dtype=np.uint16).reshape(16, 24) % 251
RGB = np.dstack([GREY, 255 - GREY, GREY // 2]).astype(np.uint8)
READERS = [read_image, open_label]


def refused(path: Path, message: str) -> None:
    """Both readers say the same of the file, and neither that it may be damaged."""
    for read in READERS:
        with pytest.raises(DataError, match=rf"^{re.escape(str(path))}: {message}") as caught:
            read(path)
        assert "truncated" not in str(caught.value) and "\n" not in str(caught.value)


def saved(kind: str, image: Image.Image | None = None, **more: Any) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(RGB)).save(buffer, kind, **more)
    return buffer.getvalue()


def tiff(strip: bytes, **changed: Any) -> bytes:
    """A TIFF of one strip, 24 x 16: grey of 8 bits, but for the tags in ``changed`` (``t258=10``; None leaves out)."""
    tags: dict[int, Any] = {256: 24, 257: 16, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 16, 279: len(strip)}
    tags |= {int(key[1:]): value for key, value in changed.items()}
    tags = {tag: value for tag, value in sorted(tags.items()) if value is not None}
    place = 8 + len(strip) + 2 + 12 * len(tags) + 4
    entries = behind = b""
    for tag, value in tags.items():
        values = value if isinstance(value, list) else [value]
        packed = struct.pack(f"<{len(values)}I", *values)
        entries += struct.pack("<HHI", tag, 4, len(values))
        entries += packed if len(values) == 1 else struct.pack("<I", place + len(behind))
        behind += packed if len(values) > 1 else b""
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + directory + behind


def with_inner(**inner: Any) -> bytes:
    """A TIFF with a page inside its page, as cameras write it."""
    page = tiff(bytes(384), t254=1, t330=0)
    tags: dict[int, int] = {256: 24, 257: 16} | {int(key[1:]): value for key, value in inner.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    pointer = struct.pack("<HHI", 330, 4, 1)
    page = page.replace(pointer + bytes(4), pointer + struct.pack("<I", len(page)))
    return page + struct.pack("<H", len(tags)) + entries + bytes(4)


def by_tifffile(values: np.ndarray, **more: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **({} if "imagej" in more else {"metadata": None}), **more)
    return buffer.getvalue()


def jpeg(marker: int, bits: int) -> bytes:
    """A JPEG whose frame says that it is of another coding."""
    data = bytearray(saved("JPEG"))
    place = data.index(b"\xff\xc0")
    data[place + 1], data[place + 4] = marker, bits
    return bytes(data)


def jpeg2000(**header: int) -> bytes:
    """A JPEG 2000 file whose first component, or number of components, is another."""
    data = bytearray(saved("JPEG2000"))
    place = data.index(b"\xff\x4f\xff\x51")
    for key, value in header.items():
        data[place + {"count": 41, "kind": 42}[key]] = value
    return bytes(data)


def bmp(bits: int, more: bytes, colours: int = 0) -> bytes:
    """A BMP, 24 x 16, of ``bits`` with bit fields, or with a palette."""
    size = 24 * 16 * bits // 8
    header = struct.pack("<IiiHHIIiiII", 40, 24, 16, 1, bits, 0 if colours else 3, size, 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(more) + size, 0, 0, 54 + len(more)) + header + more + bytes(size)


def png(pixels: np.ndarray, palette: bytes, before: bytes = b"") -> bytes:
    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = pixels.shape
    header = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
    rows = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in pixels)
    first = part(b"CgBI", before) if before else b""
    parts = [first, header, part(b"PLTE", palette), part(b"IDAT", zlib.compress(rows)), part(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


BOX = b"\0\0\0\x20ftyp"
SAVE = "which is not read; save it as PNG"
KINDS: dict[str, tuple[bytes, str]] = {
    "TGA": (saved("TGA"), f"is TGA by its content, {SAVE}"),
    "TGA with a palette": (saved("TGA", Image.fromarray(RGB).convert("P")), "is TGA by"),
    "ICO": (saved("ICO"), "is ICO by"),
    "PCX": (saved("PCX"), "is PCX by"),
    "DDS": (saved("DDS"), "is DDS by"),
    "SGI": (saved("SGI"), "is SGI by"),
    "ICNS": (b"icns\0\0\0\x10is32\0\0\0\x08" + bytes(60), "is ICNS by"),
    "bitmap without a file header": (saved("DIB"), "is DIB by"),
    "EPS": (saved("EPS"), "is PostScript by"),
    "PDF": (b"%PDF-1.4" + bytes(60), "is PDF by"),
    "PAM": (b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" + bytes(6), "is PAM by"),
    "PFM": (b"PF\n2 1\n-1.0\n" + bytes(24), r"is PFM \(floating-point\) by"),
    "QOI": (b"qoif" + bytes(60), "is QOI by"),
    "EXR": (b"v/1\x01" + bytes(60), "is OpenEXR by"),
    "HDR": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n" + bytes(60), "is Radiance HDR by"),
    "HDR of RGBE": (b"#?RGBE\nFORMAT=32-bit_rle_rgbe\n\n" + bytes(60), "is Radiance HDR by"),
    "FITS": (b"SIMPLE  =                    T" + b" " * 60, "is FITS by"),
    "DICOM": (bytes(128) + b"DICM" + bytes(60), "is DICOM by its content, which is not read; export its picture as"),
    "NIfTI": (bytes(344) + b"n+1\0" + bytes(60), "is NIfTI by"),
    "NumPy": (b"\x93NUMPY\x01\0v\0{'descr': '|u1'}", "is NumPy by"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(60), "is HDF5 by"),
    "MATLAB": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(60), "is MATLAB by"),
    "ZIP": (b"PK\x03\x04" + bytes(60), "is ZIP by its content, which is not read; unpack it"),
    "gzip": (b"\x1f\x8b\x08" + bytes(60), "is gzip by"),
    "Photoshop": (b"8BPS" + bytes(60), "is Photoshop by"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is Git LFS pointer by .* git lfs pull"),
    "HTML": (b"<!DOCTYPE html>\n<html></html>", "is HTML by .*fetch the image anew"),
    "SVG": (b'<?xml version="1.0"?>\n<svg></svg>', "is SVG by"),
    "XML": (b'<?xml version="1.0"?>\n<annotation/>', "is XML by .*give the image itself"),
    "JSON": (b'{"shapes": []}', "is JSON by .*give the image itself"),
    "PNG of iOS": (png(GREY, bytes(768), b"\x50\0\x20\x02"), r"is PNG of iOS \(CgBI\) by"),
    "film": (BOX + b"isom" + bytes(60), "is a film"),
    "CR2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(60), "is camera RAW by its content, which is not read; develop it"),
    "CR3": (BOX + b"crx " + bytes(60), "is camera RAW by"),
    "RAF": (b"FUJIFILMCCD-RAW 0201" + bytes(60), "is camera RAW by"),
    "RW2": (b"IIU\0" + bytes(60), "is camera RAW by"),
    "ORF": (b"IIRO" + bytes(60), "is camera RAW by"),
    "DNG": (tiff(bytes(384), t50706=0x0401), "is camera RAW by"),
    "colour filters": (tiff(bytes(384), t262=32803), "is camera RAW by"),
    "NEF": (with_inner(t256=48), "holds another image, at least as large, inside its first page, as camera RAW files"),
    "big-endian BigTIFF": (by_tifffile(RGB, bigtiff=True, byteorder=">"), "is a big-endian BigTIFF"),
    "ImageJ stack": (
        by_tifffile(np.stack([GREY, GREY]).astype(np.uint8), imagej=True, truncate=True),
        "is an ImageJ stack of 2 images in one page; save the one that counts as PNG",
    ),
    "no meaning": (tiff(bytes(384), t262=None), "is a TIFF that does not say what its numbers mean"),
    "JPEG 2000 in TIFF": (tiff(bytes(384), t259=34712), "is a TIFF compressed by JPEG 2000, which is not read"),
    "PNG in TIFF": (tiff(bytes(384), t259=34933), "is a TIFF compressed by PNG, which is not read"),
    "LERC in TIFF": (tiff(bytes(384), t259=34887), "is a TIFF compressed by LERC, which is not read"),
    "JPEG XL in TIFF": (tiff(bytes(384), t259=50002), "is a TIFF compressed by JPEG XL, which is not read"),
    "unknown in TIFF": (tiff(bytes(384), t259=60000), r"is a TIFF compressed by .* \(number 60000\)"),
    "10 bits": (tiff(bytes(480), t258=10), r"is a TIFF of a layout .* \(grey, 1 sample of 10 bits a pixel\)"),
    "14 bits": (tiff(bytes(672), t258=14), r"is a TIFF of a layout .* \(grey, 1 sample of 14 bits a pixel\)"),
    "RGB of 12 bits": (
        tiff(bytes(1728), t258=[12] * 3, t262=2, t277=3),
        r"is a TIFF of a layout .* \(RGB, 3 samples of 12 bits a pixel\)",
    ),
    "separate RGB and one": (
        by_tifffile(np.moveaxis(np.dstack([RGB, GREY]).astype(np.uint8), -1, 0), photometric="rgb", extrasamples=[0]),
        "is a TIFF of a layout .*RGB, 4 samples of 8 bits a pixel, 1 more than its colours, separate planes",
    ),
    "five bands of 16 bits": (
        by_tifffile(np.dstack([RGB, RGB])[..., :5].astype(np.uint16), photometric="rgb", extrasamples=[0, 0]),
        "is a TIFF of a layout .*5 samples of 16 bits a pixel, 2 more than its colours",
    ),
    "CMYK with alpha": (
        tiff(bytes(1920), t258=[8] * 5, t262=5, t277=5, t338=2),
        "is a TIFF of a layout .*CMYK, 5 samples of 8 bits a pixel, 1 more than its colours",
    ),
    "transparency": (tiff(bytes(384), t262=4), r"is a TIFF .*\(transparency, 1 sample of 8 bits a pixel\)"),
    "other inks": (tiff(bytes(1536), t258=[8] * 4, t262=5, t277=4, t332=2), "is a TIFF .*other inks than CMYK"),
    "16-bit palette": (
        tiff(bytes(768), t258=16, t262=3, t320=[0] * 3 * 2**16),
        "is a TIFF of a layout .*palette, 1 sample of 16 bits",
    ),
    "4-bit palette in planes": (tiff(bytes(192), t258=4, t262=3, t284=2, t320=[0] * 48), "is a TIFF .*separate planes"),
    "white is 0 in planes": (tiff(bytes(384), t262=0, t284=2), r"is a TIFF .*white is 0.*separate planes"),
    "subsampled YCbCr": (tiff(bytes(576), t258=[8] * 3, t262=6, t277=3), "is a TIFF .*subsampled colours"),
    "bit fields": (bmp(32, struct.pack("<3I", 0xFF, 0xFF00, 0xFF0000)), f"is a BMP with bit fields, {SAVE}"),
    "8 bits of two colours": (bmp(8, b"\0\0\0\0\xff\xff\xff\0", 2), f"is a BMP of 8 bits with two colours, {SAVE}"),
    "4 bits of two colours": (bmp(4, b"\0\0\0\0\xff\xff\xff\0", 2), "is a BMP of 4 bits with two colours"),
    "4 bits of grey": (bmp(4, b"\0\0\0\0\1\1\1\0\2\2\2\0", 3), "is a BMP of 4 bits with shades of grey"),
    "short palette": (png(GREY, bytes(30)), "holds index 250, but its palette ends at 9; save it with its whole"),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_that_are_not_read(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content, message = KINDS[name]
    (tmp_path / "a.png").write_bytes(content)
    refused(tmp_path / "a.png", message)
    assert capfd.readouterr().err == ""


LOSSY: dict[str, tuple[bytes, str]] = {
    "HEIF": (BOX + b"heic" + bytes(60), "is HEIF by its content"),
    "HEIF of another brand": (BOX + b"mif1\0\0\0\0mif1heic" + bytes(60), "is HEIF by its content"),
    "JPEG XL": (b"\xff\x0a" + bytes(60), "is JPEG XL by its content"),
    "JPEG XR": (b"II\xbc\x01" + bytes(60), "is JPEG XR by its content"),
    "JPEG of 12 bits": (jpeg(0xC1, 12), "is a JPEG of 12 bits a sample"),
    "lossless JPEG": (jpeg(0xC7, 8), "is a JPEG of a rare coding"),
    "signed JPEG 2000": (jpeg2000(kind=0x87), "is JPEG 2000 with signed samples"),
    "deep JPEG 2000": (jpeg2000(kind=0x0F), "is JPEG 2000 with colours of 16 bits"),
    "JPEG 2000 of 5 bands": (jpeg2000(count=5), "is JPEG 2000 with 5 bands"),
    "WebP in TIFF": (tiff(bytes(384), t259=50001), "is a TIFF compressed by WebP"),
}


@pytest.mark.parametrize("name", LOSSY)
def test_kinds_that_may_change_values_besides(name: str, tmp_path: Path) -> None:
    content, message = LOSSY[name]
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.png: {message}.*which is not read; save it as PNG"):
        read_image(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: is .*which may change label values; save the mask anew"):
        open_label(tmp_path / "a.png")


def test_jpeg_ls(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xf7\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0" + bytes(60))
    refused(tmp_path / "a.jpg", "is JPEG-LS, which is not read")


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_colour_maps_of_8_and_16_bits(bits: int, wide: bool, tmp_path: Path) -> None:
    """Some programs write 8 bits where a colour map has 16; libtiff and viewers see it by the largest sample."""
    colours = np.random.default_rng(bits).integers(0, 256, (2**bits, 3))
    indices = GREY % 2**bits
    lines = np.unpackbits(indices.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :].reshape(16, -1)
    colour_map = (colours.T * (257 if wide else 1)).ravel().tolist()
    (tmp_path / "a.tif").write_bytes(tiff(np.packbits(lines, axis=1).tobytes(), t258=bits, t262=3, t320=colour_map))
    label, palette = open_label(tmp_path / "a.tif"), read_palette(tmp_path / "a.tif")
    assert np.array_equal(read_image(tmp_path / "a.tif"), colours[indices])
    assert np.array_equal(label.values, indices) and np.array_equal(label.colours(), colours[indices])
    assert palette is not None and np.array_equal(palette, colours)


def test_premultiplied_alpha_of_grey_is_divided_out(tmp_path: Path) -> None:
    alpha = np.where(GREY > 99, 255, 128)
    pair = np.dstack([GREY * alpha // 255, alpha]).astype(np.uint8)
    (tmp_path / "a.tif").write_bytes(by_tifffile(pair, photometric="minisblack", extrasamples=[1], planarconfig=1))
    try:
        with Image.open(tmp_path / "a.tif") as image:
            expected = np.asarray(image.convert("LA"))[..., 0]
    except OSError:  # an old Pillow
        return refused(tmp_path / "a.tif", "is a TIFF of a layout .*premultiplied alpha")
    assert np.array_equal(read_image(tmp_path / "a.tif")[..., 1], expected) and abs(expected - 1.0 * GREY).max() < 3
    with pytest.raises(DataError, match="holds premultiplied alpha; save the mask as PNG"):
        open_label(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["P2", "P3"])
def test_numbers_in_letters(kind: str, tmp_path: Path) -> None:
    values = RGB if kind == "P3" else RGB[..., :1]
    numbers = " ".join(str(int(value) * 257) for value in values.ravel())
    (tmp_path / "a.ppm").write_text(f"{kind}\n24 16\n65535\n{numbers}\n")
    assert np.array_equal(read_image(tmp_path / "a.ppm"), np.broadcast_to(values, RGB.shape))
    with pytest.raises(DataError, match="is PNM by its content, which is not read as a mask; save it as PNG"):
        open_label(tmp_path / "a.ppm")


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_images_behind_another(mode: str, tmp_path: Path) -> None:
    one = saved("PPM", Image.fromarray(RGB).convert(mode))
    for trailer, count in ((b"", 1), (b"\n# a comment", 1), (b"\n" + one, 2), (one + one, 3)):
        (tmp_path / "a.ppm").write_bytes(one + trailer)
        if count == 1:
            assert read_image(tmp_path / "a.ppm").shape == RGB.shape
        else:
            with pytest.raises(DataError, match=f"has {count} pages; save the one that counts"):
                read_image(tmp_path / "a.ppm")


def test_avif_of_the_general_brand(tmp_path: Path) -> None:
    data = (BOX + b"mif1\0\0\0\0mif1avif").ljust(32, b"\0") + bytes(60)
    (tmp_path / "a.avif").write_bytes(data)
    with pytest.raises(DataError, match="AVIF"):
        read_image(tmp_path / "a.avif")


@pytest.mark.parametrize(("inner", "is_read"), [({"t256": 12, "t254": 1}, True), ({"t254": 4}, True), ({}, False)])
def test_copies_and_masks_inside_a_page(inner: dict[str, int], is_read: bool, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(with_inner(**inner))
    if is_read:
        assert read_image(tmp_path / "a.tif").shape == (16, 24, 3)
    else:
        refused(tmp_path / "a.tif", "holds another image")


def wrong(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("make", [lambda: saved("BMP"), lambda: saved("WEBP"), lambda: saved("PNG"), lambda: b"\1\2"])
def test_what_is_cut_may_still_be_called_so(make: Callable[[], bytes], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(wrong(make()))
    with pytest.raises(DataError, match=r"a\.png: not an image, or truncated.*copy it again"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("larger", [False, True])
def test_several_images_inside_a_page(larger: bool, big: bool, order: str, tmp_path: Path) -> None:
    """A pyramid has its smaller copies there; a camera's file has the picture there, behind a preview."""
    grey = GREY.astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=big, byteorder=order) as writer:
        writer.write(grey, subifds=2, metadata=None, subfiletype=int(larger))
        writer.write(grey[::2, ::2].copy(), metadata=None, subfiletype=1)
        writer.write(np.kron(grey, np.ones((2, 2), np.uint8)) if larger else grey[::4, ::4].copy(), metadata=None)
    if big and order == ">":
        refused(tmp_path / "a.tif", "is a big-endian BigTIFF")
    elif larger:
        refused(tmp_path / "a.tif", "holds another image, at least as large")
    else:
        assert np.array_equal(read_image(tmp_path / "a.tif")[..., 0], grey)
        assert np.array_equal(open_label(tmp_path / "a.tif").values, grey)
