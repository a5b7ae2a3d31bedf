"""Rare sorts of files: sound ones that their decoders take for damaged, or read wrongly. No torch."""

import io

from PIL import Image

from experiments.runtime.kinds import HEAD, kind_of
from experiments.runtime.refusals import SAVE, RefusedImageError, refuse_kind
from experiments.runtime.silence import silent_pillow

JPEG_LS = 0xF7
"""Marker of a frame of another standard, whose file begins as a JPEG's does."""


def rare_kind(data: bytes) -> RefusedImageError | None:
    """The error for a sound file of a usual kind that its decoder does not know; None where nothing is known of it."""
    kind = kind_of(data[:HEAD])
    if kind is None:
        other = _named_by_pillow(data)
        return refuse_kind(other) if other else None
    words = _rare_jpeg(data) if kind == "JPEG" else _rare_bmp(data) if kind == "BMP" else ""
    return RefusedImageError(f"is {words}, which is not read; {SAVE}") if words else None


def _named_by_pillow(data: bytes) -> str | None:
    """One of the many formats that Pillow knows by their headers."""
    try:
        with silent_pillow, Image.open(io.BytesIO(data)) as image:
            return image.format
    except Exception:  # Pillow raises a dozen kinds for a damaged file
        return None


def _rare_jpeg(data: bytes) -> str:
    """How a JPEG is coded, if that is not the usual way; the frame's header tells it."""
    place = 2
    while place + 5 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == JPEG_LS:
            return "JPEG-LS"
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # these hold no frame
            bits = data[place + 4]
            if 8 < bits <= 16:
                return f"a JPEG of {bits} bits a sample"
            return "" if marker in (0xC0, 0xC1, 0xC2) else "a JPEG of a rare coding (lossless or arithmetic)"
        place += 1 if marker == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return ""


def _rare_bmp(data: bytes) -> str:
    """What a BMP has besides plain samples, if it is as long as it says."""
    compression = int.from_bytes(data[30:34], "little")
    if len(data) < int.from_bytes(data[2:6], "little") or data[14] < 40:
        return ""
    return {3: "a BMP with bit fields", 6: "a BMP with bit fields", 4: "a JPEG in a BMP", 5: "a PNG in a BMP"}.get(
        compression, ""
    )


def check_bmp(data: bytes, mode: str) -> None:
    """Refuse a BMP of 4 or 8 bits that Pillow takes for one of 1 or 8, for its palette is black and white, or grey.

    Args:
        data: the file's content.
        mode: how Pillow would read it.

    Raises:
        RefusedImageError: it would read other pixels than there are.
    """
    bits = data[24] if data[14] == 12 else data[28]  # the old header is short
    if (mode == "1" and bits > 1) or (mode == "L" and bits == 4):
        colours = "two colours" if mode == "1" else "shades of grey"
        raise RefusedImageError(f"is a BMP of {bits} bits with {colours}, which is not read; {SAVE}")
