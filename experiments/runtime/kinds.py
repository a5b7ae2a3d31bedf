"""What a file is by its first bytes, whatever its name says: which kind of image, a film, or neither. No torch."""

from pathlib import Path

HEAD = 4096
"""Bytes at the beginning of a file that tell its kind."""
FILM = "film"
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"\x1aE\xdf\xa3": FILM,  # Matroska, WebM
    b"FLV\x01": FILM,
    b"0&\xb2u\x8ef\xcf\x11": FILM,  # ASF, WMV
    b"\0\0\x01\xba": FILM,  # MPEG, VOB
    b"\0\0\x01\xb3": FILM,
    b"\x06\x0e+4": FILM,  # MXF
    b".RMF": FILM,
    b"YUV4MPEG2 ": FILM,
}
_STILL_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"mif1": "HEIF", b"msf1": "HEIF", b"heic": "HEIF", b"heix": "HEIF"}
_SOUND_BRANDS = (b"M4A ", b"M4B ")
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_OGG_PICTURES = (b"\x80theora", b"OVP80", b"video\0", b"BBCD")
STILLS = ("JPEG", "PNG", "GIF", "TIFF", "WebP", "BMP", "PNM", "JPEG 2000", "AVIF", "HEIF", "JPEG XL", "OpenEXR")
"""Kinds that are pictures, whether or not they can be read."""


def kind_of(head: bytes) -> str | None:
    """The kind of a file by its first ``HEAD`` bytes: ``film``, the name of a format, or None if it is not known."""
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if head.startswith(b"RIFF"):
        return {b"WEBP": "WebP", b"AVI ": FILM}.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return _STILL_BRANDS.get(brand, None if brand in _SOUND_BRANDS else FILM)
    if head[4:8] in _OLD_QUICKTIME:
        return FILM
    if head.startswith(b"OggS"):
        return FILM if any(mark in head for mark in _OGG_PICTURES) else None
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in (b" ", b"\n", b"\r", b"\t"):
        return "PNM"
    if head.startswith(b"BM") and len(head) > 18 and head[15:18] == b"\0\0\0":  # the size of its second header
        return "BMP"
    return FILM if _is_transport_stream(head) else None


def kind_of_file(path: Path) -> str | None:
    """``kind_of`` of a file; None as well if it is no ordinary file or cannot be read."""
    return kind_of(read_head(path))


def read_head(path: Path) -> bytes:
    """The first ``HEAD`` bytes of a file; nothing if it is no ordinary file or cannot be read."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return b""
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def is_animated(data: bytes) -> bool:
    """Whether the content of a PNG or a WebP file is a moving picture; a GIF must be opened to know it."""
    kind = kind_of(data[:HEAD])
    if kind == "WebP":
        return data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & 2)
    place = 8
    while kind == "PNG" and place + 8 <= len(data):  # the number of frames stands before the pixels
        length, chunk = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if chunk in (b"acTL", b"IDAT"):
            return chunk == b"acTL" and int.from_bytes(data[place + 8 : place + 12], "big") > 1
        place += 12 + length
    return False


def _is_transport_stream(head: bytes) -> bool:
    """Packets of 188 bytes that begin with ``G``; those of cameras (MTS, M2TS) have four bytes of time before each."""
    return any(
        len(head) > start + 4 * size and all(head[start + i * size] == 0x47 for i in range(5))
        for start, size in ((0, 188), (4, 192), (0, 204))
    )
