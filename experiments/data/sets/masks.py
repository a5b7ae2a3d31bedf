"""Masks of a user's data set: index, palette and colour masks, told apart by the file of classes and by the mask itself.

- One channel (1, 8 or 16 bits): ids; where they are none, and the file gives colours, shades of grey.
- Palette: colours, where every colour in use is one of the file's; else ids.
- Three channels: colours, compared exactly; where all three channels are equal and the file gives no such colour, ids.
- With an alpha channel: as without it, if nothing is transparent.
"""

import io
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from experiments.data.decoders import LARGEST, patient_pillow
from experiments.data.files import Array, DataError, damaged, read_bytes
from experiments.data.labels import Table, look_up, make_table, take
from experiments.data.sets.class_file import ClassList
from experiments.runtime.decoding import is_whole

MASKS = (".png", ".bmp", ".tif", ".tiff")
"""Formats that keep every value; JPEG does not."""

OPAQUE = 255


class MaskReader:
    """Reads masks by a file of classes.

    Args:
        classes: the file.
    """

    def __init__(self, classes: ClassList) -> None:
        self.classes = classes

    @cached_property
    def _by_id(self) -> Table | None:
        return make_table(self.classes.by_id, 2**16) if self.classes.by_id else None

    @cached_property
    def _by_colour(self) -> Table | None:
        codes = {red << 16 | green << 8 | blue: index for (red, green, blue), index in self.classes.by_colour.items()}
        return make_table(codes, 2**24) if codes else None

    def read(self, path: Path) -> Array:
        """A mask as class indices ``(H, W)``, 255 where ignored, turned as its EXIF orientation says.

        Raises:
            DataError: the file is unreadable or of another kind, or holds a value or colour that is no class.
        """
        pixels, palette = _open(path)
        if palette is not None:
            return self._palette(path, pixels, palette)
        if pixels.ndim == 3:
            return self._three(path, pixels)
        return self._one(path, pixels)

    def _one(self, path: Path, pixels: np.ndarray) -> Array:
        values = (
            pixels.astype(np.uint8) if pixels.dtype == bool else pixels
        )  # black and white: 0 and 1, or the two colours
        if pixels.dtype == np.uint16:
            if self._by_id is None:
                text = f"{path}: holds 16-bit numbers, but {self.classes.path} gives no ids; add an id to every class"
                raise DataError("label format", path, text)
            return self._ids(path, values)
        grey = np.stack([pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels] * 3, axis=-1)
        is_ids = self._by_id is not None and take(self._by_id, values).min(initial=0) >= 0
        is_colours = (
            self._by_colour is not None and not is_ids and take(self._by_colour, _codes(grey)).min(initial=0) >= 0
        )
        return self._colours(path, grey) if is_colours or self._by_id is None else self._ids(path, values)

    def _palette(self, path: Path, indices: Array, palette: Array) -> Array:
        if indices.max(initial=0) >= len(palette):
            raise damaged(path)
        codes = _codes(palette)[np.unique(indices)]
        is_colours = self._by_colour is not None and take(self._by_colour, codes).min(initial=0) >= 0
        return self._colours(path, palette[indices]) if is_colours or self._by_id is None else self._ids(path, indices)

    def _three(self, path: Path, pixels: Array) -> Array:
        is_grey = bool((pixels == pixels[..., :1]).all())
        if self._by_colour is None and not is_grey:
            text = f"{path}: is a colour mask, but {self.classes.path} gives no colours; add a colour to every class, or save index masks"
            raise DataError("label format", path, text)
        if self._by_colour is not None and not (
            is_grey and self._by_id is not None and take(self._by_colour, _codes(pixels)).min() < 0
        ):
            return self._colours(path, pixels)
        return self._ids(path, pixels[..., 0])

    def _ids(self, path: Path, values: np.ndarray) -> Array:
        assert self._by_id is not None
        known = (
            f"ids are in {self.classes.path}: add it there (ignore: true for what shall not count), or correct the mask"
        )
        return look_up(values, self._by_id, path, lambda value: f"value {value}", known)

    def _colours(self, path: Path, pixels: Array) -> Array:
        assert self._by_colour is not None
        known = f"colours are in {self.classes.path} and must match exactly: add it there, or save the mask without smoothed borders"
        return look_up(_codes(pixels), self._by_colour, path, _colour_word, known)


def _colour_word(code: int) -> str:
    return f"colour ({code >> 16}, {code >> 8 & 255}, {code & 255})"


def _codes(pixels: Array) -> np.ndarray:
    """One number a colour: ``(..., 3)`` -> ``(...)`` int32."""
    codes: np.ndarray = pixels[..., 0].astype(np.int32)
    for channel in (1, 2):
        codes <<= 8
        codes |= pixels[..., channel]
    return codes


def _open(path: Path) -> tuple[np.ndarray, Array | None]:
    """Pixels ``(H, W)`` bool, uint8 or uint16, or ``(H, W, 3)`` uint8; with the palette ``(colours, 3)`` where they are its indices."""
    data = read_bytes(path)
    if not data or not is_whole(data):
        raise damaged(path)
    try:
        with patient_pillow:
            file = Image.open(io.BytesIO(data))
            bits = _bits(file, data)
            image = ImageOps.exif_transpose(file)
            image.load()
            pixels, mode = np.asarray(image), image.mode
    except Image.DecompressionBombError:
        raise DataError("too large", path, f"{path}: has more than {LARGEST:,} pixels; cut it into parts") from None
    except Exception:  # Pillow raises a dozen kinds for a damaged file
        raise damaged(path) from None
    if bits > 8 and len(image.getbands()) > 1:  # of which Pillow has kept the high bytes alone
        text = "save ids as one channel of 8 or 16 bits, or colours with 8 bits a channel"
        raise DataError("label format", path, f"{path}: has several channels of {bits} bits; {text}")
    palette = None
    if mode in ("P", "PA"):
        palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    if mode in ("LA", "PA", "RGBA"):
        if (pixels[..., -1] != OPAQUE).any():
            raise DataError(
                "label format",
                path,
                f"{path}: has transparent pixels, which have no class; save the mask without alpha channel",
            )
        pixels = pixels[..., 0] if mode != "RGBA" else pixels[..., :3]
    elif mode.startswith("I"):
        if pixels.min(initial=0) < 0 or pixels.max(initial=0) >= 2**16:
            raise DataError("label format", path, f"{path}: holds values above 65535; save the mask with 8 bits")
        pixels = pixels.astype(np.uint16 if pixels.max(initial=0) > 255 else np.uint8)
    elif mode not in ("1", "L", "P", "RGB"):
        raise DataError(
            "label format",
            path,
            f"{path}: is of the kind {mode}; save the mask as PNG with ids, a palette, or RGB colours",
        )
    return pixels, palette


def _bits(file: Image.Image, data: bytes) -> int:
    """Bits of a channel in the file, where they may be more than in the image that Pillow makes of it."""
    if isinstance(file, PngImageFile):
        return data[24]  # behind width and height
    return max(file.tag_v2.get(BITSPERSAMPLE, (1,))) if isinstance(file, TiffImageFile) else 8
