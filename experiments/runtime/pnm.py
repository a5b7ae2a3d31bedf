"""PNM files (PBM, PGM, PPM) by their header: how deep their samples are, and whether more images follow. No torch.

Source: the manual pages pbm(5), pgm(5) and ppm(5) of Netpbm.
"""

import re

NUMBER = rb"\s+(?:#[^\n]*\n\s*)*(\d{1,9})"
BITS = re.compile(rb"P4" + 2 * NUMBER + rb"\s")
BYTES = re.compile(rb"P([56])" + 3 * NUMBER + rb"\s")
START = re.compile(rb"\s*P[1-6]\s")
"""How an image begins. A binary one may follow another."""
MOST = 1000


def is_deep(data: bytes) -> bool:
    """Whether a binary file has samples of 16 bits."""
    header = BYTES.match(data)
    return header is not None and int(header[4]) == 65535


def count_images(data: bytes) -> int:
    """Images of the file; one where it is not binary."""
    place, count = 0, 1
    while count < MOST and (end := _end(data, place)) is not None and START.match(data, end):
        place, count = data.index(b"P", end), count + 1
    return count


def _end(data: bytes, start: int) -> int | None:
    """Where the binary image ends that begins at ``start``."""
    if header := BITS.match(data, start):
        width, height = int(header[1]), int(header[2])
        return header.end() + -(-width // 8) * height
    if header := BYTES.match(data, start):
        width, height, largest = (int(header[i]) for i in (2, 3, 4))
        return header.end() + width * height * (3 if header[1] == b"6" else 1) * (2 if largest > 255 else 1)
    return None
