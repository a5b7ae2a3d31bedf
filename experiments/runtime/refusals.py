"""Why an image file is not read: its real kind by name, and the cure. No torch."""

from experiments.runtime.kinds import FILM, HEAD, kind_of

CURES = {
    "camera RAW": "develop it and save it as PNG",
    "DICOM": "export its picture as PNG",
    "ZIP": "unpack it",
    "gzip": "unpack it",
    "7-Zip": "unpack it",
    "RAR": "unpack it",
    "HTML": "it may be an error page of a download: fetch the image anew",
    "Git LFS pointer": "fetch the image itself with git lfs pull",
    "JSON": "give the image itself",
    "plain text": "give the image itself",
}
"""What to do with kinds that are not simply saved anew."""
SAVE = "save it as PNG"
JPEG_LS = 0xF7
"""Marker of a frame of another standard, whose file begins as a JPEG's does."""


class RefusedImageError(ValueError):
    """Why an image is not read, and the fix; without the file's name."""


def refuse_kind(kind: str) -> RefusedImageError:
    """The error for a whole kind of files, as ``kind_of`` names it."""
    if kind == FILM:
        return RefusedImageError("is a film, not an image; give single frames as images")
    return RefusedImageError(f"is {kind} by its content, which is not read; {CURES.get(kind, SAVE)}")


def rare_kind(data: bytes) -> RefusedImageError | None:
    """The error for a sound file of a usual kind that its decoder does not know; None where nothing is known of it."""
    kind = kind_of(data[:HEAD])
    words = {"JPEG": _rare_jpeg, "BMP": _rare_bmp}[kind](data) if kind in ("JPEG", "BMP") else ""
    return RefusedImageError(f"is {words}, which is not read; {SAVE}") if words else None


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
