"""What a file is by its first bytes, whatever its name says: which kind of image, a film, or neither. No torch."""

from pathlib import Path

HEAD = 4096
"""Bytes at the beginning of a file that tell its kind."""
FILM = "film"
CAMERA = "camera RAW"
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI": "PNG of iOS (CgBI)",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"II*\0\x10\0\0\0CR": CAMERA,
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"II\xbc": "JPEG XR",
    b"IIRO": CAMERA,
    b"IIRS": CAMERA,
    b"MMOR": CAMERA,
    b"IIU\0": CAMERA,
    b"II\x1a\0\0\0HEAPCCDR": CAMERA,
    b"FUJIFILMCCD-RAW": CAMERA,
    b"FOVb": CAMERA,
    b"\0MRM": CAMERA,
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"8BPS": "Photoshop",
    b"gimp xcf": "GIMP",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"DDS ": "DDS",
    b"qoif": "QOI",
    b"\x01\xda": "SGI",
    b"\x59\xa6\x6a\x95": "Sun raster",
    b"\x8bJNG": "JNG",
    b"\x8aMNG": "MNG",
    b"P7\n": "PAM",
    b"PF\n": "PFM (floating-point)",
    b"Pf\n": "PFM (floating-point)",
    b"SIMPLE  =": "FITS",
    b"\x93NUMPY": "NumPy",
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"MATLAB 5.0 MAT-file": "MATLAB",
    b"PK\x03\x04": "ZIP",
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!": "RAR",
    b"version https://git-lfs": "Git LFS pointer",
    b"\x1aE\xdf\xa3": FILM,  # Matroska, WebM
    b"FLV\x01": FILM,
    b"0&\xb2u\x8ef\xcf\x11": FILM,  # ASF, WMV
    b"\0\0\x01\xba": FILM,  # MPEG, VOB
    b"\0\0\x01\xb3": FILM,
    b"\x06\x0e+4": FILM,  # MXF
    b".RMF": FILM,
    b"YUV4MPEG2 ": FILM,
    b"nut/multimedia container\0": FILM,
    b"DKIF": FILM,  # IVF
    b"\x1f\x07\0\x3f": FILM,  # DV, NTSC
    b"\x1f\x07\0\xbf": FILM,  # DV, PAL
}
_STILL_BRANDS = {
    **{b"avif": "AVIF", b"avis": "AVIF", b"crx ": CAMERA},
    **dict.fromkeys((b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIF"),
}
_SOUND_BRANDS = (b"M4A ", b"M4B ")
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_OGG_PICTURES = (b"\x80theora", b"OVP80", b"video\0", b"BBCD")
STILLS = (
    *("JPEG", "PNG", "GIF", "TIFF", "WebP", "BMP", "PNM", "JPEG 2000", "AVIF", "HEIF", "JPEG XL", "OpenEXR"),
    CAMERA,
)
"""Kinds that are pictures, whether or not they can be read."""
PICTURES = (
    *(*STILLS, "JPEG XR", "Radiance HDR", "Photoshop", "GIMP", "DDS", "QOI", "SGI", "Sun raster", "PAM", "ICO", "PCX"),
    *("PFM (floating-point)", "TGA", "FITS", "DICOM", "NIfTI", "NumPy", "SVG"),
)
"""``STILLS``, and kinds that hold pictures for other programs."""


def kind_of(head: bytes) -> str | None:
    """The kind of a file by its first ``HEAD`` bytes: ``film``, the name of a format, or None if it is not known."""
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if head.startswith(b"RIFF"):
        return {b"WEBP": "WebP", b"AVI ": FILM}.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in (b"mif1", b"msf1"):  # what the file is stands among the kinds that it is compatible with
            others = head[16 : int.from_bytes(head[:4], "big")]
            return "AVIF" if b"avif" in others or b"avis" in others else "HEIF"
        return _STILL_BRANDS.get(brand, None if brand in _SOUND_BRANDS else FILM)
    if head[4:8] in _OLD_QUICKTIME:
        return FILM
    if head.startswith(b"OggS"):
        return FILM if any(mark in head for mark in _OGG_PICTURES) else None
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in (b" ", b"\n", b"\r", b"\t"):
        return "PNM"
    if head.startswith(b"BM") and len(head) > 18 and head[15:18] == b"\0\0\0":  # the size of its second header
        return "BMP"
    if _is_transport_stream(head) or _is_bare_stream(head):
        return FILM
    return _kind_without_mark(head) or _kind_of_text(head)


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


def _is_bare_stream(head: bytes) -> bool:
    """H.264 and H.265 without a container: a start code, and a unit that such a stream begins with."""
    if not head.startswith((b"\0\0\1", b"\0\0\0\1")):
        return False
    first, second = (head[head.index(1) + 1 :] + b"\0\0")[:2]
    # Of H.264: parameters (7), additional information (6), a delimiter (9). Of H.265: 32 to 35 and 39, of layer 0.
    return first & 0x9F in (6, 7, 9) or (first >> 1 in (32, 33, 34, 35, 39) and second == 1)


def _kind_without_mark(head: bytes) -> str | None:
    """Kinds whose beginning is no fixed mark, by the values that their header may have."""
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        return "NIfTI"
    if len(head) < 18:
        return None
    if head[:4] in (b"\0\0\x01\0", b"\0\0\x02\0") and 0 < head[4] < 100 and head[5] == 0 == head[9]:
        return "ICO"
    if head[0] == 10 and head[1] in (0, 2, 3, 4, 5) and head[2] == 1 and head[3] in (1, 2, 4, 8):
        return "PCX"
    colours, coding, sides, bits = head[1], head[2], (head[12:14], head[14:16]), head[16]
    is_plain = colours == 0 and coding in (2, 3, 10, 11) and head[3:8] == bytes(5)
    is_indexed = colours == 1 and coding in (1, 9) and head[7] in (15, 16, 24, 32)
    if (is_plain or is_indexed) and bits in (8, 15, 16, 24, 32) and b"\0\0" not in sides:
        return "TGA"
    return None


def _kind_of_text(head: bytes) -> str | None:
    """What a file is that begins with letters instead of the marks of an image."""
    try:
        text = head.decode("utf-8-sig", "strict" if len(head) < HEAD else "ignore").strip().lower()
    except UnicodeDecodeError:
        return None
    if not text or any(letter < " " and not letter.isspace() for letter in text):
        return None
    if text.startswith("<"):
        if "<svg" in text:
            return "SVG"
        return "HTML" if text.startswith(("<!doctype html", "<html")) else "XML"
    return "JSON" if text.startswith(("{", "[")) else "plain text"
