"""What the header of a JPEG 2000 file says of its samples: kinds that Pillow turns into other colours are refused.

Source: ITU-T T.800, A.5.1 (the marker segment SIZ).
"""

from experiments.runtime.refusals import SAVE, RefusedImageError

START = b"\xff\x4f\xff\x51"
"""Beginning of a code stream, up to the marker of SIZ."""
COUNT = 40
"""Where the number of components stands, from the beginning; three bytes for each follow."""
MOST_COMPONENTS = 4


def check_jpeg2000(data: bytes) -> None:
    """Refuse samples with a sign, colours of more than 8 bits, and more bands than colours have.

    Pillow rounds deep colours to 8 bits, and white overflows to black.

    Raises:
        RefusedImageError: the message says what the file holds.
    """
    place = data.find(START)
    if place < 0:
        return
    count = int.from_bytes(data[place + COUNT : place + COUNT + 2], "big")
    kinds = data[place + COUNT + 2 : place + COUNT + 2 + 3 * count : 3]
    bits = max(((kind & 0x7F) + 1 for kind in kinds), default=8)
    problem = ""
    if count > MOST_COMPONENTS:
        problem = f"{count} bands"
    elif any(kind & 0x80 for kind in kinds):
        problem = "signed samples"
    elif count > 1 and bits > 8:
        problem = f"colours of {bits} bits"
    if problem:
        raise RefusedImageError(f"is JPEG 2000 with {problem}, which is not read; {SAVE}")
