"""Masks of a user's ``folder``: index, palette and colour masks, told apart by the file of classes and the mask itself.

- One channel (1, 8 or 16 bits): ids. If they are none, and the file gives colours: shades of grey.
- Palette: colours, if every colour in use is one of the file's; else ids.
- Three channels: colours, compared exactly. If all channels are equal and the file gives no such colour: ids.
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
            return self._read_palette(path, pixels, palette)
        return self._read_channels(path, pixels) if pixels.ndim == 3 else self._read_channel(path, pixels)

    def _read_channel(self, path: Path, pixels: np.ndarray) -> Array:
        if pixels.dtype == np.uint16:
            if self._by_id is None:
                raise _format_error(path, f"holds 16-bit numbers, but {self.classes.path} gives no ids; add them there")
            return self._from_ids(path, pixels)
        # Black and white may stand for 0 and 1, or for the two colours.
        values = pixels.astype(np.uint8, copy=False)
        if self._by_id is not None and take(self._by_id, values).min(initial=0) >= 0:
            return self._from_ids(path, values)
        grey = np.stack([values * 255 if pixels.dtype == bool else values] * 3, axis=-1)
        is_colours = self._are_colours(_codes(grey))
        return self._from_colours(path, grey) if is_colours or self._by_id is None else self._from_ids(path, values)

    def _read_palette(self, path: Path, indices: Array, palette: Array) -> Array:
        if indices.max(initial=0) >= len(palette):
            raise damaged(path)
        if self._by_id is None or self._are_colours(_codes(palette)[np.unique(indices)]):
            return self._from_colours(path, palette[indices])
        return self._from_ids(path, indices)

    def _read_channels(self, path: Path, pixels: Array) -> Array:
        is_grey = bool((pixels == pixels[..., :1]).all())
        if self._by_colour is None and not is_grey:
            hint = "add a colour to every class, or save index masks"
            raise _format_error(path, f"is a colour mask, but {self.classes.path} gives no colours; {hint}")
        if not is_grey or self._by_id is None or self._are_colours(_codes(pixels)):
            return self._from_colours(path, pixels)
        return self._from_ids(path, pixels[..., 0])

    def _are_colours(self, codes: np.ndarray) -> bool:
        return self._by_colour is not None and bool(take(self._by_colour, codes).min(initial=0) >= 0)

    def _from_ids(self, path: Path, values: np.ndarray) -> Array:
        assert self._by_id is not None
        hint = "add it there (ignore: true for what shall not count), or correct the mask"
        return look_up(values, self._by_id, path, "value {}".format, f"ids are in {self.classes.path}: {hint}")

    def _from_colours(self, path: Path, pixels: Array) -> Array:
        assert self._by_colour is not None
        hint = "and must match exactly: add it there, or save the mask without smoothed borders"
        known = f"colours are in {self.classes.path} {hint}"
        return look_up(_codes(pixels), self._by_colour, path, _describe_colour, known)


def _describe_colour(code: int) -> str:
    return f"colour ({code >> 16}, {code >> 8 & 255}, {code & 255})"


def _format_error(path: Path, text: str) -> DataError:
    return DataError("label format", path, f"{path}: {text}")


def _codes(pixels: Array) -> np.ndarray:
    """One number for each colour: ``(..., 3)`` -> ``(...)`` int32."""
    codes: np.ndarray = pixels[..., 0].astype(np.int32)
    for channel in (1, 2):
        codes <<= 8
        codes |= pixels[..., channel]
    return codes


def _open(path: Path) -> tuple[np.ndarray, Array | None]:
    """Pixels, ``(H, W)`` bool, uint8 or uint16, or ``(H, W, 3)`` uint8; and the palette that they index, ``(K, 3)``."""
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
    if bits > 8 and len(image.getbands()) > 1:  # Pillow keeps only their high bytes
        hint = "save ids as one channel of 8 or 16 bits, or colours with 8 bits a channel"
        raise _format_error(path, f"has several channels of {bits} bits; {hint}")
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3) if mode in ("P", "PA") else None
    if mode in ("LA", "PA", "RGBA"):
        if (pixels[..., -1] < 255).any():
            raise _format_error(path, "has transparent pixels, which have no class; save it without alpha channel")
        pixels = pixels[..., 0] if mode != "RGBA" else pixels[..., :3]
    elif mode.startswith("I"):
        if pixels.min(initial=0) < 0 or pixels.max(initial=0) >= 2**16:
            raise _format_error(path, "holds values above 65535; save the mask with 8 bits")
        pixels = pixels.astype(np.uint16 if pixels.max(initial=0) > 255 else np.uint8)
    elif mode not in ("1", "L", "P", "RGB"):
        raise _format_error(path, f"is of the kind {mode}; save the mask as PNG with ids, a palette, or RGB colours")
    return pixels, palette


def _bits(file: Image.Image, data: bytes) -> int:
    """Bits of a channel in the file; Pillow's image may have fewer."""
    if isinstance(file, PngImageFile):
        return data[24]  # behind width and height
    return max(file.tag_v2.get(BITSPERSAMPLE, (1,))) if isinstance(file, TiffImageFile) else 8
