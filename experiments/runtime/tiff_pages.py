"""The pages of a TIFF file: which ones are images of their own. No torch.

Only the few tags are read that tell it, so that a damaged page, or one of a kind that is not read, counts too.
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SUBFILE, WIDTH, HEIGHT, INNER = 254, 256, 257, 330
"""Numbers of tags: ``NewSubfileType``, size, and places of pages inside a page (``SubIFDs``)."""
SMALLER_COPY, MASK = 1, 4
"""Bits of ``NewSubfileType``."""
TYPES = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Types of whole numbers -> codes of ``struct``."""
MOST_PAGES, MOST_ENTRIES, MOST_INNER = 1000, 4096, 16


class Page(NamedTuple):
    """What counts of a page.

    Args:
        kind: bits of ``NewSubfileType``.
        area: in pixels.
        inner: places of the pages inside it.
        following: place of the next page; 0 behind the last.
    """

    kind: int
    area: int
    inner: tuple[int, ...]
    following: int


def count_pages(file: BinaryIO) -> int:
    """Images of their own: the first page, and others but smaller copies of it and masks of transparency.

    Some programs mark every page as a smaller copy. One that is not smaller counts.
    """
    pages = _walk(file)
    first = next(pages, None)
    if first is None:
        return 0
    return 1 + sum(not page.kind & MASK and not _is_copy(page, first) for page in pages)


def holds_larger(data: bytes) -> bool:
    """Whether an image that is no copy, or is at least as large, lies inside the first page."""
    file = io.BytesIO(data)
    first = next(_walk(file), None)
    if first is None:
        return False
    inner = (_read(file, place) for place in first.inner)
    return any(page is not None and not page.kind & MASK and page.area >= first.area for page in inner)


def _is_copy(page: Page, first: Page) -> bool:
    return bool(page.kind & SMALLER_COPY) and page.area < first.area


def _walk(file: BinaryIO) -> Iterator[Page]:
    """The pages in their order, up to the first that is broken."""
    file.seek(0)
    head = file.read(16)
    order, is_big = ("<" if head.startswith(b"II") else ">"), 43 in head[2:4]
    if len(head) < (16 if is_big else 8):
        return
    place = struct.unpack(f"{order}Q", head[8:])[0] if is_big else struct.unpack(f"{order}I", head[4:8])[0]
    seen: set[int] = set()
    while place and place not in seen and len(seen) < MOST_PAGES:
        seen.add(place)
        page = _read(file, place)
        if page is None:
            return
        yield page
        place = page.following


def _read(file: BinaryIO, place: int) -> Page | None:
    """The page whose directory stands at ``place``; None where there is none."""
    file.seek(0)
    head = file.read(4)
    order, is_big = ("<" if head.startswith(b"II") else ">"), 43 in head[2:4]
    count_code, entry_code, place_code = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
    try:
        file.seek(place)
        (count,) = struct.unpack(order + count_code, file.read(struct.calcsize(order + count_code)))
        size = struct.calcsize(order + entry_code)
        content = file.read(min(count, MOST_ENTRIES) * size)
        entries = list(struct.iter_unpack(order + entry_code, content))
        (following,) = struct.unpack(order + place_code, file.read(struct.calcsize(order + place_code)))
        found = {
            tag: _numbers(file, order, TYPES[kind], number, value)
            for tag, kind, number, value in entries
            if tag in (SUBFILE, WIDTH, HEIGHT, INNER) and kind in TYPES
        }
        area = found[WIDTH][0] * found[HEIGHT][0]
    except (struct.error, OSError, ValueError, OverflowError, KeyError, IndexError):
        return None
    return Page(found.get(SUBFILE, (0,))[0], area, found.get(INNER, ()), following)


def _numbers(file: BinaryIO, order: str, code: str, count: int, value: bytes) -> tuple[int, ...]:
    """Values of a tag, at most ``MOST_INNER``; they stand elsewhere if they are too long for their entry."""
    kept = min(count, MOST_INNER)
    layout = f"{order}{kept}{code}"
    size = struct.calcsize(layout)
    if struct.calcsize(f"{order}{code}") * count > len(value):
        file.seek(struct.unpack(order + ("Q" if len(value) == 8 else "I"), value)[0])
        value = file.read(size)
    return struct.unpack(layout, value[:size])
