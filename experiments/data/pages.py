"""Files that hold several pages: TIFF, and moving PNG, WebP and GIF. A label or a training image is one page."""

from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from experiments.data.decoders import patient_pillow
from experiments.data.files import DataError
from experiments.runtime.tiff_pages import count_pages as count_tiff_pages

MOVING = (b"\x89PNG", b"RIFF", b"GIF8", b"II", b"MM")
"""How files begin that may hold several pages."""


def check_pages(path: Path, image: Image.Image, file: BinaryIO, first_page: bool) -> None:
    """Refuse a file of several pages; smaller copies of the first page do not count.

    Args:
        path: the file, for messages.
        image: the file as Pillow opened it.
        file: the same file, opened to be read.
        first_page: whether the first page is what the user wants.

    Raises:
        DataError: there are several pages, and the first one was not asked for.
    """
    count = 1 if first_page else count_pages(image, file)
    if count > 1:
        hint = "save one page a file, or give --data.first_page true to read the first page alone"
        raise DataError("several pages", path, f"{path}: holds {count} pages; {hint}")


def check_image(path: Path) -> None:
    """Refuse an image file of several pages. What cannot be opened is left to the reader of images.

    Raises:
        DataError: there are several pages.
    """
    try:
        with path.open("rb") as file:
            if not file.read(4).startswith(MOVING):
                return
            with patient_pillow, Image.open(file) as image:
                check_pages(path, image, file, first_page=False)
    except DataError:
        raise
    except Exception:  # Pillow raises a dozen kinds for a damaged file
        return


def count_pages(image: Image.Image, file: BinaryIO) -> int:
    """Pages of the file. Of a TIFF, those that are no smaller copy and no mask of transparency."""
    if isinstance(image, TiffImageFile):
        return count_tiff_pages(file)
    # A telephone's previews and depth maps are no pages.
    return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
