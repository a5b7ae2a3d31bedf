"""Image files of every usual kind as 8-bit RGB: with the colours that are in the file, or refused by name. No torch.

Of samples of 16 bits the high eight that are used count. A file may say how many bits it uses. Of a data set they are
found once (``experiments/data/image_bits.py``). A file alone is read as 12 bits, or 8, where all of its samples fit.
"""

import io
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    EXTRASAMPLES,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
    ImageFileDirectory_v2,
    TiffImageFile,
)

from experiments.runtime.decoding import decode_whole, is_whole
from experiments.runtime.jpeg2000 import check_jpeg2000
from experiments.runtime.kinds import HEAD, is_animated, kind_of
from experiments.runtime.palettes import check_indices, palette_of
from experiments.runtime.pnm import count_images, is_deep
from experiments.runtime.rare import check_bmp, rare_kind
from experiments.runtime.refusals import RefusedImageError, refuse_kind
from experiments.runtime.resizing import HAS_OPENCV
from experiments.runtime.silence import silent_opencv, silent_pillow
from experiments.runtime.tiff import LARGEST_SAMPLE, check_tiff, unread_layout
from experiments.runtime.tiff_pages import count_pages

MOST_PIXELS = 2**28
"""268 million, 16384 x 16384: decoded and drawn, such an image takes some gigabytes."""
ASSUMED = (8, 12)
"""Bits that the samples of a single file of 16 bits are taken for where they fit: no camera has fewer than 12."""
FORMATS = {
    **{"JPEG": "JPEG", "PNG": "PNG", "WebP": "WEBP", "TIFF": "TIFF", "BMP": "BMP", "PNM": "PPM", "GIF": "GIF"},
    **{"JPEG 2000": "JPEG2000", "AVIF": "AVIF"},
}
"""Kinds of files that are read -> Pillow's names."""
COLOURS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr")
"""Pillow's kinds of 8-bit pixels that have a colour in RGB."""
Pixels = npt.NDArray[np.uint8]


class Samples(NamedTuple):
    """The samples of an image.

    Args:
        values: ``(H, W, 3)`` uint8 or uint16, turned by the EXIF orientation, without alpha.
        bits: how many of 16 bits are used, where the file says it.
    """

    values: np.ndarray
    bits: int | None = None


class Decoded(NamedTuple):
    """An image.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB, turned by its EXIF orientation, without alpha.
        assumed_bits: bits of a sample, where the file says 16 and they were taken for fewer by their values; else None.
    """

    pixels: Pixels
    assumed_bits: int | None = None


def decode_pixels(
    data: bytes, most_pixels: int = MOST_PIXELS, bits: int | None = None, first_page: bool = False
) -> Decoded | None:
    """The image in a file's content; None where it is damaged, or no image.

    Args:
        data: the content.
        most_pixels: larger images are refused by their header, before anything is unpacked.
        bits: bits of a sample that files of 16 bits hold; absent, what the file says, or seems to have.
        first_page: take the first of several pages, which are refused otherwise.

    Raises:
        RefusedImageError: it is not read, or too large; the message says why.
    """
    samples = decode_samples(data, most_pixels, first_page)
    return None if samples is None else _reduce(samples, bits)


def decode_samples(data: bytes, most_pixels: int = MOST_PIXELS, first_page: bool = False) -> Samples | None:
    """Like ``decode_pixels``, but 16-bit samples stay as they are in the file."""
    with silent_opencv, silent_pillow:
        try:
            samples = _decode(data, most_pixels, first_page)
        except RefusedImageError:
            raise
        except Exception:  # Pillow raises a dozen kinds for a damaged file
            samples = None
    if samples is None and (reason := rare_kind(data)):
        raise reason
    return samples


def _decode(data: bytes, most_pixels: int, first_page: bool) -> Samples | None:
    kind = kind_of(data[:HEAD])
    if kind is None:
        return None
    if kind not in FORMATS:
        raise refuse_kind(kind)
    tags = check_tiff(data) if kind == "TIFF" else None
    if tags is not None:
        _check_tags(tags)  # Pillow takes what it does not know for damaged
    if kind == "JPEG 2000":
        check_jpeg2000(data)
    try:
        image = Image.open(io.BytesIO(data), formats=[FORMATS[kind]])
    except KeyError:  # an old Pillow does not know AVIF
        raise refuse_kind(kind) from None
    except UnidentifiedImageError:
        if tags is None:
            raise
        raise unread_layout(tags) from None
    except Image.DecompressionBombError:
        raise RefusedImageError(f"has too many pixels, at most {most_pixels} are taken; cut it into parts") from None
    with image:
        if image.width * image.height > most_pixels:
            size = f"{image.width}x{image.height}"
            raise RefusedImageError(f"{size} pixels are too many; at most {most_pixels} are taken; cut it into parts")
        moves = is_animated(data) or (kind in ("GIF", "AVIF") and getattr(image, "is_animated", False))
        if moves and not first_page:
            raise RefusedImageError("is a moving picture, not a still image; give one page of it as a PNG")
        if not is_whole(data):
            return None
        if not first_page and (pages := _count(kind, data)) > 1:
            raise RefusedImageError(f"has {pages} pages; save the one that counts as a file of its own")
        if isinstance(image, TiffImageFile):
            return _decode_tiff(image, data)
        if kind == "BMP":
            check_bmp(data, image.mode)
        if kind == "PNG" and image.mode != "P":
            bits = _significant_bits(data) if data[24] == 16 else None
            return _decode_by_opencv(data, bits) if HAS_OPENCV else _decode_without(image, data[24] == 16, bits)
        if kind in ("JPEG", "WebP") or (kind == "PNM" and is_deep(data)):
            return _decode_by_opencv(data) if HAS_OPENCV else _decode_without(image, kind == "PNM")
        return _decode_by_pillow(image, 16)  # which stretches the samples of a PNM to 16 bits


def _count(kind: str, data: bytes) -> int:
    if kind == "TIFF":
        return count_pages(io.BytesIO(data))
    return count_images(data) if kind == "PNM" else 1


def _decode_by_opencv(data: bytes, bits: int | None = None) -> Samples | None:
    import cv2

    values = decode_whole(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if values is None:
        return None
    if values.dtype not in (np.uint8, np.uint16):
        raise RefusedImageError(f"has samples of the kind {values.dtype}; save it with 8 or 16 bits")
    return Samples(cv2.cvtColor(values, cv2.COLOR_BGR2RGB), bits)


def _decode_without(image: Image.Image, is_deep: bool, bits: int | None = None) -> Samples:
    """Decode by Pillow, which reads colours of 16 bits as 8."""
    if is_deep and not image.mode.startswith("I"):
        raise RefusedImageError("has colours of 16 bits; save it with 8, or install opencv-python-headless")
    return _decode_by_pillow(image, bits)


def _decode_by_pillow(image: Image.Image, bits: int | None = None) -> Samples:
    palette = palette_of(image) if image.mode in ("P", "PA") else None
    image.load()
    turned = ImageOps.exif_transpose(image)
    if palette is not None and turned.mode in ("P", "PA"):
        indices = np.asarray(turned).reshape(turned.height, turned.width, -1)[..., 0]
        check_indices(indices, palette)
        return Samples(palette[indices])
    if turned.mode == "La":  # which Pillow turns into LA alone
        turned = turned.convert("LA")
    if turned.mode.startswith("I"):
        samples = np.asarray(turned)
        if samples.min(initial=0) < 0 or samples.max(initial=0) > 65535:
            raise RefusedImageError("has samples of 32 bits; save it with 8 or 16 bits")
        return Samples(np.stack([samples.astype(np.uint16)] * 3, -1), bits)
    if turned.mode not in COLOURS:
        raise RefusedImageError(f"has pixels of the kind {turned.mode}, which are not read; save it as 8-bit RGB")
    return Samples(np.array(turned.convert("RGB")))


def _check_tags(tags: ImageFileDirectory_v2) -> None:
    """Refuse what has no colours of 8 or 16 bits.

    Raises:
        RefusedImageError: the message says what it has instead.
    """
    photometric, samples = tags.get(PHOTOMETRIC_INTERPRETATION, 1), tags.get(SAMPLESPERPIXEL, 1)
    deepest = max(tags.get(BITSPERSAMPLE, (1,)))
    formats = set(tags.get(SAMPLEFORMAT, (1,)))
    if not formats <= {1, 4}:
        kind = "floating-point" if 3 in formats else "signed" if 2 in formats else "complex"
        raise RefusedImageError(f"has {kind} samples; save it with 8 or 16 bits")
    if photometric in (0, 1) and samples > 1 and not (samples == 2 and set(tags.get(EXTRASAMPLES, ())) & {1, 2}):
        raise RefusedImageError(f"has {samples} grey bands, which are no colours; save red, green and blue as RGB")
    if photometric not in (0, 1, 2, 3, 5, 6):
        raise unread_layout(tags)
    if deepest > 16 or len(set(tags.get(BITSPERSAMPLE, (1,)))) > 1:
        raise RefusedImageError(f"has samples of {deepest} bits; save it with 8 or 16 bits")


def _decode_tiff(image: TiffImageFile, data: bytes) -> Samples | None:
    tags = image.tag_v2
    photometric, samples = tags.get(PHOTOMETRIC_INTERPRETATION, 1), tags.get(SAMPLESPERPIXEL, 1)
    depth, extra = max(tags.get(BITSPERSAMPLE, (1,))), tags.get(EXTRASAMPLES, ())
    largest = int(tags.get(LARGEST_SAMPLE, (65535,))[0])
    is_plain = tags.get(PLANAR_CONFIGURATION, 1) == 1
    if depth <= 8:
        return _decode_by_pillow(image)
    if depth == 12 and photometric == 1 and samples == 1:
        return _decode_by_pillow(image, 12)
    if depth != 16 or photometric not in (1, 2) or samples == 2 or 1 in extra or not is_plain:
        raise unread_layout(tags)
    bits = largest.bit_length() if 255 < largest < 65535 and largest & (largest + 1) == 0 else None
    return _decode_by_pillow(image, bits) if samples == 1 else _decode_by_opencv(data, bits)


def _significant_bits(data: bytes) -> int | None:
    """What the chunk sBIT of a PNG says, if it does and stands before the pixels."""
    place = 8
    while (kind := data[place + 4 : place + 8]) not in (b"IDAT", b""):
        length = int.from_bytes(data[place : place + 4], "big")
        if kind == b"sBIT" and length:
            return max(data[place + 8 : place + 8 + min(length, 3)])
        place += 12 + length
    return None


def _reduce(samples: Samples, given: int | None) -> Decoded:
    """8-bit samples as they are; of 16-bit samples the high eight of the bits that they use."""
    values = samples.values
    if values.dtype == np.uint8:
        return Decoded(values)
    largest = int(values.max(initial=0))
    if given is not None:
        if largest >= 2**given:
            problem = f"has a sample of {largest}, which is more than {given} bits"
            raise RefusedImageError(f"{problem}; such images need another data.image_bits in training")
        return Decoded((values >> (given - 8)).astype(np.uint8))
    if samples.bits is not None:  # what a file says may be wrong, or mean that it was scaled up from so many
        bits = samples.bits if 8 < samples.bits < 16 and largest < 2**samples.bits else 16
        return Decoded((values >> (bits - 8)).astype(np.uint8))
    assumed = next((bits for bits in ASSUMED if 0 < largest < 2**bits), None)
    return Decoded((values >> ((assumed or 16) - 8)).astype(np.uint8), assumed)
