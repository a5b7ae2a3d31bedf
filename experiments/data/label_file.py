"""What stands in a label file: the samples as they are stored, or a line that says why they are not labels.

Decoders make pictures: they stretch samples of 1, 2 and 4 bits to 0..255, and turn white and black round where a TIFF
says so. A label's samples are ids, so they are taken back to what the file holds.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    PHOTOMETRIC_INTERPRETATION,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
    ImageFileDirectory_v2,
    TiffImageFile,
)

from experiments.data.decoders import LARGEST, patient_pillow
from experiments.data.files import Array, DataError, damaged, read_bytes
from experiments.data.pages import check_pages
from experiments.runtime.decoding import is_whole
from experiments.runtime.kinds import HEAD, kind_of
from experiments.runtime.palettes import check_indices, palette_of
from experiments.runtime.pixels import FORMATS
from experiments.runtime.rare import check_bmp, rare_kind
from experiments.runtime.refusals import SAVE, RefusedImageError, refuse_kind
from experiments.runtime.tiff import check_tiff, read_tags, unread_layout

LOSSY = ("JPEG", "JPEG 2000", "JPEG XL", "JPEG XR", "AVIF", "HEIF")
"""Kinds of files that may change values. WebP has both ways."""
LOSSY_TIFF = {6: "JPEG", 7: "JPEG", 50001: "WebP"}
"""Compressions of TIFF that may change values."""
MODES = {
    **{"F": "floating-point numbers", "CMYK": "CMYK inks", "YCbCr": "YCbCr colours", "LAB": "Lab colours"},
    **{"La": "premultiplied alpha", "RGBa": "premultiplied alpha", "RGBX": "a fourth band"},
}
"""Pillow's kinds of pixels that are no labels -> in words."""
NO_EXIF = ("xmp", "XML:com.adobe.xmp", "Raw profile type exif")
"""Where Pillow looks for an orientation too, by which images are not turned."""
WHITE_IS_ZERO = 0
SIGNED = 2


@dataclass(frozen=True)
class LabelPixels:
    """The samples of a label file.

    Args:
        values: ``(H, W)`` uint8 or uint16, one sample a pixel; or ``(H, W, 3)`` uint8, RGB.
        bits: of a sample in the file.
        palette: ``(K, 3)`` uint8, the colours that ``values`` index; None without a palette.
    """

    values: np.ndarray
    bits: int
    palette: Array | None = None

    def shades(self) -> Array | None:
        """Samples without a palette as shades of grey 0..255; None where they have more than 8 bits."""
        if self.bits > 8:
            return None
        return self.values * np.uint8(255 // (2**self.bits - 1)) if self.bits < 8 else self.values

    def colours(self) -> Array | None:
        """The colour of each pixel, ``(H, W, 3)``; None where samples have more than 8 bits."""
        if self.values.ndim == 3:
            return self.values
        if self.palette is not None:
            return self.palette[self.values]
        shades = self.shades()
        return None if shades is None else np.stack([shades] * 3, axis=-1)


def open_label(path: Path, first_page: bool = False, lossy: bool = False) -> LabelPixels:
    """Read a label file, turned as its EXIF orientation says.

    Args:
        path: the file; its content counts, not its name.
        first_page: take the first of several pages.
        lossy: take a compression that changes values.

    Raises:
        DataError: the file is unreadable, of a kind that changes values, of several pages, or no label.
    """
    data = read_bytes(path)
    try:
        with patient_pillow:
            tags = _check_kind(path, data, lossy)
            file = _open(data, tags)
            check_pages(path, file, io.BytesIO(data), first_page)
            if file.format == "BMP":
                check_bmp(data, file.mode)
            bits = _bits(file, data)
            _check_samples(path, file)
            is_signed = isinstance(file, TiffImageFile) and SIGNED in file.tag_v2.get(SAMPLEFORMAT, ())
            palette = palette_of(file) if file.mode in ("P", "PA") else None
            file.load()  # some of what follows stands behind the pixels
            for key in NO_EXIF:
                file.info.pop(key, None)
            image = ImageOps.exif_transpose(file)
            image.load()
            pixels, mode = np.asarray(image), image.mode
    except DataError:
        raise
    except RefusedImageError as error:
        raise format_error(path, str(error)) from None
    except Image.DecompressionBombError:
        raise DataError("too large", path, f"{path}: has more than {LARGEST:,} pixels; cut it into parts") from None
    except Exception:  # Pillow raises a dozen kinds for a damaged file
        raise _unreadable(path, data) from None
    if bits > 8 and len(image.getbands()) > 1:  # Pillow keeps only their high bytes
        hint = "save ids as one channel of 8 or 16 bits, or colours with 8 bits a channel"
        raise format_error(path, f"has several channels of {bits} bits; {hint}")
    if mode in ("LA", "PA", "RGBA"):
        if (pixels[..., -1] < 255).any():
            raise format_error(path, "has transparent pixels, which have no class; save it without alpha channel")
        pixels = pixels[..., 0] if mode != "RGBA" else pixels[..., :3]
    if palette is not None and mode in ("P", "PA"):
        try:
            check_indices(pixels, palette)
        except RefusedImageError as error:
            raise format_error(path, str(error)) from None
        return LabelPixels(pixels, bits, palette)
    if mode.startswith("I"):
        return LabelPixels(_as_uint16(path, pixels), max(bits, 16))
    if mode not in ("1", "L", "LA", "RGB", "RGBA"):
        what = MODES.get(mode, f"pixels of the kind {mode}")
        raise format_error(path, f"holds {what}; save the mask as PNG with ids, a palette, or RGB colours")
    if is_signed and pixels.max(initial=0) > 127:
        raise _negative(path)
    if mode == "1":
        return LabelPixels(pixels.astype(np.uint8), 1)
    if mode == "L" and bits in (2, 4):
        pixels = pixels // np.uint8(255 // (2**bits - 1))  # Pillow stretched them
    return LabelPixels(pixels, bits if mode == "L" else 8)


def read_palette(path: Path) -> Array | None:
    """The palette of a file ``(K, 3)``, read from its header; None without one, or where the file cannot be read."""
    try:
        with patient_pillow, Image.open(path) as file:
            return palette_of(file) if file.mode == "P" else None
    except Exception:  # Pillow raises a dozen kinds for a damaged file
        return None


def format_error(path: Path, text: str) -> DataError:
    """The error for a file that is read, but is no label."""
    return DataError("label format", path, f"{path}: {text}")


def _check_kind(path: Path, data: bytes, lossy: bool) -> ImageFileDirectory_v2 | None:
    """Refuse kinds of files that are no masks by their content; gives the tags of a TIFF.

    Raises:
        DataError: the file may have changed values, is no image, or is truncated.
        RefusedImageError: it is of a kind that is not read.
    """
    kind = kind_of(data[:HEAD])
    if kind is None or (kind in FORMATS and not is_whole(data)):
        raise _unreadable(path, data)
    if not lossy:
        if kind in LOSSY or (kind == "WebP" and not _is_lossless_webp(data)):
            name = "lossy WebP" if kind == "WebP" else kind
            raise _lossy_error(path, f"is {name} by its content, whatever its name")
        if kind == "TIFF" and (compression := int(read_tags(data).get(COMPRESSION, 1))) in LOSSY_TIFF:
            raise _lossy_error(path, f"is a TIFF compressed by {LOSSY_TIFF[compression]}")
        if kind == "PNM":
            raise RefusedImageError(f"is PNM by its content, which is not read as a mask; {SAVE}")
    if kind not in FORMATS:
        raise refuse_kind(kind)
    return check_tiff(data) if kind == "TIFF" else None


def _unreadable(path: Path, data: bytes) -> DataError:
    reason = rare_kind(data)
    return format_error(path, str(reason)) if reason else damaged(path, data)


def _lossy_error(path: Path, what: str) -> DataError:
    hint = "save the mask anew from its source as PNG, not from this file"
    return DataError("lossy label", path, f"{path}: {what}, which may change label values; {hint}")


def _open(data: bytes, tags: ImageFileDirectory_v2 | None) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=[FORMATS[kind_of(data[:HEAD]) or ""]])
    except UnidentifiedImageError:
        if tags is None:
            raise
        raise unread_layout(tags) from None


def _is_lossless_webp(data: bytes) -> bool:
    place = 12
    while place + 8 <= len(data):
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8L"
        # A frame of a moving WebP has a header of 16 bytes, then parts of its own.
        place += 24 if kind == b"ANMF" else 8 + size + size % 2
    return False


def _check_samples(path: Path, file: Image.Image) -> None:
    if not isinstance(file, TiffImageFile):
        return
    bands = file.tag_v2.get(SAMPLESPERPIXEL, 1)
    if bands > len(file.getbands()):
        raise format_error(path, f"is a TIFF of {bands} bands; save the mask with one band of ids, or with RGB colours")
    if file.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO:
        hint = "whether its numbers are ids or shades is open; save the mask as PNG"
        raise format_error(path, f"is a TIFF whose white is 0 (WhiteIsZero): {hint}")


def _as_uint16(path: Path, pixels: np.ndarray) -> np.ndarray:
    if pixels.min(initial=0) < 0:
        raise _negative(path)
    if pixels.max(initial=0) >= 2**16:
        raise format_error(path, "holds values above 65535; save the mask with 8 or 16 bits")
    return pixels.astype(np.uint16)


def _negative(path: Path) -> DataError:
    return format_error(path, "holds negative values; save ids from 0 on, and 255 for what is ignored")


def _bits(file: Image.Image, data: bytes) -> int:
    """Bits of a channel in the file; Pillow's image may have fewer."""
    if isinstance(file, PngImageFile):
        return data[24]  # behind width and height
    return max(file.tag_v2.get(BITSPERSAMPLE, (1,))) if isinstance(file, TiffImageFile) else 8
