"""How many of their 16 bits the images of a data set use: decided once for all of them, by their largest sample.

A camera of 12 bits writes 16-bit files whose high byte is nearly black. A single dark image does not tell whether its
camera has 12 bits or 16; all images together do.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from experiments.data.decoders import patient_pillow
from experiments.data.parallel import in_threads
from experiments.runtime.kinds import kind_of, read_head
from experiments.runtime.pixels import decode_samples
from experiments.runtime.pnm import is_deep
from experiments.runtime.refusals import RefusedImageError

DEPTHS = (8, 10, 12, 14, 16)
"""Bits of cameras."""
CHUNK = 64


class Depth(NamedTuple):
    """What one image of 16 bits tells.

    Args:
        largest: its largest sample.
        bits: how many bits it uses, if the file says it.
    """

    largest: int
    bits: int | None


def find_bits(paths: Sequence[Path], first_page: bool = False) -> tuple[int | None, str]:
    """Bits of a sample in the 16-bit images of a data set: the fewest of ``DEPTHS`` that hold all of them.

    Args:
        paths: the images of all splits.
        first_page: read the first of several pages.

    Returns:
        The bits, None where there are no such images or each says its own; and how they are read, in words, which are
        empty where all 16 are used.
    """
    found: list[Depth] = []
    for start in range(0, len(paths), CHUNK):
        chunk = paths[start : start + CHUNK]
        looks = in_threads(partial(find_depth, first_page=first_page), chunk, "images: bits of a sample")
        found += [depth for depth in looks if depth is not None]
        if any(depth.bits is None and depth.largest >= 2 ** DEPTHS[-2] for depth in found):
            return DEPTHS[-1], ""
    silent = [depth.largest for depth in found if depth.bits is None]
    if not any(silent):  # a black image tells nothing
        return None, ""
    needed = max(max(silent).bit_length(), *(depth.bits or 0 for depth in found))
    bits = next(bits for bits in DEPTHS if bits >= needed)
    if bits == DEPTHS[-1]:
        return bits, ""
    which = f"{len(silent)} images of 16 bits" if len(silent) > 1 else "the image of 16 bits"
    reason = f"no sample of {which} is larger than {max(silent)}"
    return bits, f"16-bit images are read as {bits}-bit ones ({reason}; --data.image_bits says otherwise)"


def has_deep(paths: Iterable[Path]) -> bool:
    """Whether an image has samples of 16 bits, by its header; images are looked at up to the first one."""
    return any(map(_seems_deep, paths))


def find_depth(path: Path, first_page: bool = False) -> Depth | None:
    """What an image tells; None if it has 8 bits or cannot be read, which its reader will say."""
    try:
        state = path.stat()
    except OSError:
        return None
    return _find_once(path, (state.st_mtime_ns, state.st_size), first_page)


@lru_cache(maxsize=2**16)
def _find_once(path: Path, _: tuple[int, int], first_page: bool) -> Depth | None:
    if not _seems_deep(path):
        return None
    try:
        with patient_pillow:
            samples = decode_samples(path.read_bytes(), first_page=first_page)
    except (OSError, RefusedImageError):
        return None
    if samples is None or samples.values.itemsize == 1:
        return None
    largest = int(samples.values.max(initial=0))
    scaled_up = samples.bits is not None and largest >= 2**samples.bits
    return Depth(largest, 16 if scaled_up else samples.bits)


def _seems_deep(path: Path) -> bool:
    try:
        with patient_pillow:
            return _is_deep(path)
    except (OSError, RefusedImageError):
        return False


def _is_deep(path: Path) -> bool:
    """Whether a file has samples of 16 bits, by its header."""
    head = read_head(path)
    kind = kind_of(head)
    if kind == "PNG":
        return head[24:25] == b"\x10"
    if kind == "TIFF":
        try:
            with Image.open(path, formats=["TIFF"]) as image:
                assert isinstance(image, TiffImageFile)
                return max(image.tag_v2.get(BITSPERSAMPLE, (1,))) > 8
        except Exception:  # Pillow raises a dozen kinds for a damaged file
            return False
    return kind == "PNM" and is_deep(head)
