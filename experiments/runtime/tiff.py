"""What a TIFF file holds, by its tags: layouts that no decoder here reads are refused by name. No torch.

Source: TIFF Revision 6.0, Adobe 1992, and its supplements.
"""

import io
import re

from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    EXTRASAMPLES,
    FILLORDER,
    IMAGEDESCRIPTION,
    IMAGELENGTH,
    IMAGEWIDTH,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
    STRIPOFFSETS,
    TILEOFFSETS,
    YCBCRSUBSAMPLING,
    ImageFileDirectory_v2,
)

from experiments.runtime.refusals import SAVE, RefusedImageError, refuse_kind
from experiments.runtime.tiff_pages import count_pages, holds_larger

LARGEST_SAMPLE = 281
INK_SET = 332
DNG_VERSION = 50706
NUMBERS = (
    *(BITSPERSAMPLE, COMPRESSION, PHOTOMETRIC_INTERPRETATION, SAMPLESPERPIXEL, EXTRASAMPLES, SAMPLEFORMAT),
    *(LARGEST_SAMPLE, PLANAR_CONFIGURATION, INK_SET, YCBCRSUBSAMPLING, FILLORDER),
)
"""Tags that hold one whole number or several; of another kind they are damaged."""
COLOURS = {
    **{0: "grey (white is 0)", 1: "grey", 2: "RGB", 3: "palette", 4: "transparency", 5: "CMYK", 6: "YCbCr"},
    **{8: "Lab", 9: "Lab", 10: "Lab", 32844: "LogLuv", 32845: "LogLuv"},
}
"""Photometric interpretations."""
IMAGEJ_STACK = re.compile(r"ImageJ=.*\nimages=([2-9]|\d{2,})\n")
"""How ImageJ describes several images, which may lie behind one another in a single page."""
OF_CAMERAS = (32803, 34892)
"""Photometric interpretations of sensors."""
READ = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000)
"""Compressions that are read."""
UNREAD = {
    **{33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC", 34933: "PNG"},
    **{22610: "JPEG XR", 34934: "JPEG XR", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL"},
}


def read_tags(data: bytes) -> ImageFileDirectory_v2:
    """Tags of the first page of a TIFF.

    Raises:
        RefusedImageError: it is a BigTIFF of the byte order that Pillow does not read.
        ValueError: they are cut, or one is of another kind than it must be.
    """
    if data.startswith(b"MM\0+"):
        raise RefusedImageError(f"is a big-endian BigTIFF, which is not read; {SAVE}, or as plain TIFF")
    tags = ImageFileDirectory_v2(data[: 16 if data[2] == 43 else 8])
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    is_whole = IMAGEWIDTH in tags and IMAGELENGTH in tags and (STRIPOFFSETS in tags or TILEOFFSETS in tags)
    if not is_whole or not all(_is_number(tags.get(tag, 1)) for tag in NUMBERS):
        raise ValueError("damaged tags")
    return tags


def _is_number(value: object) -> bool:
    return all(isinstance(one, int) for one in value) if isinstance(value, tuple) and value else isinstance(value, int)


def check_tiff(data: bytes) -> ImageFileDirectory_v2:
    """The tags of a TIFF's first page, if a decoder may read it rightly.

    Raises:
        RefusedImageError: no decoder here does; the message says what the file is.
        ValueError: the tags are damaged.
    """
    tags = read_tags(data)
    photometric, compression = tags.get(PHOTOMETRIC_INTERPRETATION), tags.get(COMPRESSION, 1)
    if DNG_VERSION in tags or photometric in OF_CAMERAS:
        raise refuse_kind("camera RAW")
    if holds_larger(data):
        problem = "holds another image, at least as large, inside its first page, as camera RAW files do"
        raise RefusedImageError(f"{problem}; save the one that counts as PNG")
    if (stack := IMAGEJ_STACK.match(str(tags.get(IMAGEDESCRIPTION, "")))) and count_pages(io.BytesIO(data)) == 1:
        raise RefusedImageError(f"is an ImageJ stack of {stack[1]} images in one page; save the one that counts as PNG")
    if compression not in READ:
        name = UNREAD.get(compression, f"a method that is not known here (number {compression})")
        raise RefusedImageError(f"is a TIFF compressed by {name}, which is not read; {SAVE}")
    if photometric is None:
        problem = "is a TIFF that does not say what its numbers mean (PhotometricInterpretation is missing)"
        raise RefusedImageError(f"{problem}; {SAVE}")
    # Of separate planes, Pillow takes every sample for a byte that counts from black.
    is_packed = tags.get(PLANAR_CONFIGURATION, 1) == 2 and not _has_plain_bytes(tags)
    # It knows no subsampling but that of a JPEG; 2 x 2 is what counts if the tag is missing.
    is_subsampled = photometric == 6 and compression == 1 and tuple(tags.get(YCBCRSUBSAMPLING, (2, 2))) != (1, 1)
    bits = max(tags.get(BITSPERSAMPLE, (1,)))
    is_reversed = tags.get(FILLORDER, 1) == 2 and (photometric == 3 or (photometric == 0 and bits > 4))
    if is_packed or is_reversed or is_subsampled or (photometric == 5 and tags.get(INK_SET, 1) != 1):
        raise unread_layout(tags)
    return tags


def _has_plain_bytes(tags: ImageFileDirectory_v2) -> bool:
    if set(tags.get(EXTRASAMPLES, ())) - {2}:  # a plain alpha channel is read
        return False
    is_plain = tags[PHOTOMETRIC_INTERPRETATION] != 0 and tags.get(FILLORDER, 1) == 1
    return (is_plain and set(tags.get(BITSPERSAMPLE, (1,))) == {8}) or tags.get(COMPRESSION, 1) != 1


def unread_layout(tags: ImageFileDirectory_v2) -> RefusedImageError:
    """The error for a TIFF whose samples lie in a way that is not read; the message describes it."""
    photometric = tags.get(PHOTOMETRIC_INTERPRETATION, 1)
    bits = sorted({*tags.get(BITSPERSAMPLE, (1,))})
    depth = " and ".join(map(str, bits)) + (" bits" if bits != [1] else " bit")
    samples, extra = tags.get(SAMPLESPERPIXEL, 1), tags.get(EXTRASAMPLES, ())
    parts = [
        COLOURS.get(photometric, f"colour model {photometric}"),
        f"{samples} {'sample' if samples == 1 else 'samples'} of {depth} a pixel",
        "other inks than CMYK" if photometric == 5 and tags.get(INK_SET, 1) != 1 else "",
        "floating-point" if 3 in tags.get(SAMPLEFORMAT, (1,)) else "",
        "premultiplied alpha" if 1 in extra else "",
        f"{len(extra)} more than its colours" if extra and 1 not in extra else "",
        "separate planes" if tags.get(PLANAR_CONFIGURATION, 1) == 2 else "",
        "reversed bits" if tags.get(FILLORDER, 1) == 2 else "",
        "subsampled colours" if photometric == 6 and tuple(tags.get(YCBCRSUBSAMPLING, (2, 2))) != (1, 1) else "",
    ]
    layout = ", ".join(filter(None, parts))
    return RefusedImageError(f"is a TIFF of a layout that is not read ({layout}); {SAVE}, 8 or 16 bits a sample")
