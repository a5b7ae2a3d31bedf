"""Photos that their EXIF orientation turns, while their masks lie as they are stored, or the other way round.

Where the size does not tell whether the two belong together, nothing else shows a mistake.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from experiments.data.decoders import patient_pillow
from experiments.data.files import DataError
from experiments.data.parallel import in_threads

TURNED = "turned image"
"""Kind of the remark."""
TAG, UPRIGHT = 0x0112, 1
PLACES = {
    2: "mirrored",
    3: "turned by 180 degrees",
    4: "mirrored and turned by 180 degrees",
    5: "mirrored and turned by 90 degrees",
    6: "turned by 90 degrees",
    7: "mirrored and turned by 270 degrees",
    8: "turned by 270 degrees",
}
"""What an orientation does, in words."""


def read_orientation(path: Path) -> int:
    """The EXIF orientation of a file, 1 to 8; 1 as well where it has none, or cannot be read.

    An orientation in XMP, or in a text of a PNG, does not count: images are not turned by it.
    """
    try:
        with patient_pillow, path.open("rb") as file, Image.open(file) as image:
            if isinstance(image, TiffImageFile):
                value = image.tag_v2.get(TAG, UPRIGHT)
            else:
                stored = _chunk(file) if isinstance(image, PngImageFile) else image.info.get("exif")
                exif = Image.Exif()
                exif.load(stored or b"")
                value = exif.get(TAG, UPRIGHT)
    except Exception:  # Pillow raises a dozen kinds for a damaged file
        return UPRIGHT
    return value if value in PLACES else UPRIGHT


def is_on_its_side(orientation: int) -> bool:
    """Whether an orientation exchanges height and width."""
    return orientation >= 5


def find_turned(pairs: Sequence[tuple[Path, Path]]) -> list[DataError]:
    """Remarks: photos that are turned without their masks, masks without their photos, and both, but differently.

    Args:
        pairs: image and mask.
    """
    files = list(dict.fromkeys(path for pair in pairs for path in pair))  # one file may hold the labels of all images
    found = dict(zip(files, in_threads(read_orientation, files, "images and masks: EXIF"), strict=True))
    apart = [pair for pair in pairs if _is_open(*pair, found[pair[0]], found[pair[1]])]
    both = [pair for pair in apart if UPRIGHT not in (found[pair[0]], found[pair[1]])]
    photos = [photo for photo, mask in apart if found[mask] == UPRIGHT]
    masks = [pair[1] for pair in apart if found[pair[0]] == UPRIGHT]
    problems = []
    for what, other, paths, cure in (
        ("photo", "mask", photos, "if they lie as the photos are stored, remove the tag from the photos"),
        ("mask", "photo", masks, "if they lie as they are stored, remove the tag from the masks"),
    ):
        if paths:
            one = len(paths) == 1
            text = (
                f"{len(paths)} {what}{' is' if one else 's are'} turned as EXIF says (first {paths[0]}: "
                f"{PLACES[found[paths[0]]]}), and the {other}{'' if one else 's'} without that tag as stored; sizes do "
                f"not tell whether they fit: masks must lie as a viewer shows the photos; {cure} "
                f"(exiftool -Orientation= FILE)"
            )
            problems.append(DataError(TURNED, paths[0], text, stops=False))
    if both:
        photo, mask = both[0]
        what = "1 photo and its mask" if len(both) == 1 else f"{len(both)} photos and their masks"
        text = (
            f"{what} are turned differently as EXIF says (first {photo}: {PLACES[found[photo]]}, {mask}: "
            f"{PLACES[found[mask]]}); sizes do not tell whether they fit: masks must lie as a viewer shows the photos; "
            f"remove the tag that is wrong (exiftool -Orientation= FILE)"
        )
        problems.append(DataError(TURNED, photo, text, stops=False))
    return problems


def _is_open(photo: Path, mask: Path, of_photo: int, of_mask: int) -> bool:
    """Whether the two are turned differently, and their sizes would fit all the same."""
    if of_photo == of_mask:
        return False
    if is_on_its_side(of_photo) == is_on_its_side(of_mask):
        return True
    with patient_pillow, Image.open(photo) as image:  # its header was read before
        return image.width == image.height


def _chunk(file: BinaryIO) -> bytes:
    """EXIF of a PNG, which may stand before its pixels or behind them."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return b"Exif\0\0" + file.read(length)
        file.seek(length + 4, 1)
    return b""
