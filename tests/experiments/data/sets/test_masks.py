"""Every kind of mask that editors save, and the kinds that must be refused."""

import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from experiments.data.files import Array, DataError
from experiments.data.sets.class_file import read_class_file
from experiments.data.sets.masks import MaskReader

BOTH = """
- {name: grass, id: 0, colour: [0, 200, 0]}
- {name: path, id: 1, colour: [200, 180, 100]}
- {name: pond, id: 2, colour: [0, 0, 200]}
- {name: sky, id: 3, colour: [1, 2, 3], ignore: true}
"""
IDS = "[{name: grass, id: 0}, {name: path, id: 1}, {name: pond, id: 2}, {name: sky, id: 3, ignore: true}]"
COLOURS = (
    "[{name: g, colour: [0, 200, 0]}, {name: p, colour: [200, 180, 100]}, "
    "{name: w, colour: [0, 0, 200]}, {name: void, colour: [1, 2, 3]}]"
)
PALETTE = np.array([(0, 200, 0), (200, 180, 100), (0, 0, 200), (1, 2, 3)], np.uint8)
VALUES = np.random.default_rng(0).integers(0, 4, (6, 9)).astype(np.uint8)
LABEL = np.where(VALUES == 3, 255, VALUES)

Read = Callable[[Image.Image | np.ndarray, str], Array]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Array]:
    def from_file(
        mask: Image.Image | np.ndarray, classes: str = BOTH, suffix: str = "png", labels: str | None = None, **more: Any
    ) -> Array:
        (tmp_path / "classes.yml").write_text(classes)
        image = Image.fromarray(mask) if isinstance(mask, np.ndarray) else mask
        image.save(tmp_path / f"mask.{suffix}", **more)
        return read_mask(tmp_path / f"mask.{suffix}", labels=labels)

    return from_file


def read_mask(path: Path, **options: Any) -> Array:
    """The mask read as the only one of its set, by the classes beside it."""
    reader = MaskReader(read_class_file(path.with_name("classes.yml")), **options)
    for problem in reader.settle([path]):
        raise problem
    return reader(path)


def palette_image(indices: np.ndarray, palette: np.ndarray) -> Image.Image:
    image = Image.fromarray(indices.astype(np.uint8), "L").convert("L")
    image.putpalette(palette.astype(np.uint8).tobytes())
    return image


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
@pytest.mark.parametrize(
    ("classes", "mask"), [(BOTH, VALUES), (IDS, VALUES), (BOTH, PALETTE[VALUES]), (COLOURS, PALETTE[VALUES])]
)
def test_index_and_colour_masks(read: Callable[..., Array], classes: str, mask: np.ndarray, suffix: str) -> None:
    label = read(mask, classes, suffix)
    assert label.dtype == np.uint8 and (label == LABEL).all()


@pytest.mark.parametrize("classes", [BOTH, IDS])
def test_palette_masks_by_index(read: Callable[..., Array], classes: str) -> None:
    """The palette's colours are an annotation tool's own."""
    voc = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)])
    assert (read(palette_image(VALUES, voc), classes) == LABEL).all()


@pytest.mark.parametrize(("classes", "labels"), [(BOTH, "colour"), (COLOURS, None)])
def test_palette_masks_by_colour(read: Callable[..., Array], classes: str, labels: str | None) -> None:
    """An editor has put the colours into an order of its own."""
    order = np.array([2, 0, 3, 1])
    mask = palette_image(np.argsort(order)[VALUES], PALETTE[order])
    assert (read(mask, classes, labels=labels) == LABEL).all()
    adaptive = Image.fromarray(PALETTE[VALUES]).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    assert (read(adaptive, classes, labels=labels) == LABEL).all()


def test_a_palette_in_an_order_of_its_own_fits_twice(read: Callable[..., Array]) -> None:
    order = np.array([2, 0, 3, 1])
    mask = palette_image(np.argsort(order)[VALUES], PALETTE[order])
    with pytest.raises(
        DataError, match=r"mask\.png: ids and colours .* both fit; say how all masks are read: --data\.labels index"
    ):
        read(mask, BOTH)
    assert (
        read(mask, BOTH, labels="palette") == np.where(np.argsort(order)[VALUES] == 3, 255, np.argsort(order)[VALUES])
    ).all()


def test_255_is_ignored_in_index_masks(read: Callable[..., Array]) -> None:
    assert (read(np.full((4, 4), 255, np.uint8), IDS) == 255).all()


def test_sixteen_bits(read: Callable[..., Array]) -> None:
    assert (read(VALUES.astype(np.uint16), IDS) == LABEL).all()
    large = IDS.replace("id: 2", "id: 7000")
    assert (read(np.where(VALUES == 2, 7000, VALUES.astype(np.uint16)), large) == LABEL).all()
    with pytest.raises(DataError, match=r"mask\.png: value 7001 is no class"):
        read(np.full((4, 4), 7001, np.uint16), large)
    with pytest.raises(DataError, match="holds 16-bit numbers, but .* gives no ids"):
        read(np.full((4, 4), 7001, np.uint16), COLOURS)
    with pytest.raises(DataError, match="values above 65535"):
        read(np.full((4, 4), 70000, np.int32), IDS, "tif")


@pytest.mark.parametrize(("classes", "labels"), [(IDS, None), (BOTH, None), (BOTH, "index")])
@pytest.mark.parametrize(("factor", "shown"), [(257, "0, 257, 514, ..."), (256, "0, 256, 512, ...")])
def test_ids_stretched_to_sixteen_bits(
    read: Callable[..., Array], classes: str, labels: str | None, factor: int, shown: str
) -> None:
    with pytest.raises(DataError, match=rf"holds {shown}: ids of 8 bits, times {factor}.*; divide them by {factor}"):
        read(VALUES.astype(np.uint16) * factor, classes, labels=labels)


def png(header: bytes, pixels: bytes) -> bytes:
    """A PNG file of one part of pixels, each row behind its filter's byte."""
    parts = [(b"IHDR", header + bytes(3)), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    whole = (
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


@pytest.mark.parametrize("kind", ["rgb.png", "rgba.png", "la.png", "rgb.tif", "rgb-lzw.tif"])
def test_sixteen_bits_a_channel(tmp_path: Path, kind: str) -> None:
    """Pillow keeps the high byte alone: every id would be 0."""
    (tmp_path / "classes.yml").write_text(IDS)
    path, values = tmp_path / f"mask-{kind}", np.stack([VALUES.astype(np.uint16)] * 3, -1)
    if kind == "la.png":
        rows = np.stack([VALUES.astype(">u2"), np.full(VALUES.shape, 65535, ">u2")], -1)
        header = VALUES.shape[1].to_bytes(4, "big") + VALUES.shape[0].to_bytes(4, "big") + bytes([16, 4])
        path.write_bytes(png(header, b"".join(b"\0" + row.tobytes() for row in rows)))
    elif kind == "rgba.png":
        cv2.imwrite(str(path), np.concatenate([values, np.full_like(values[..., :1], 65535)], -1))
    else:
        cv2.imwrite(
            str(path), values, [cv2.IMWRITE_TIFF_COMPRESSION, 5 if "lzw" in kind else 1] if kind.endswith("tif") else []
        )
    with pytest.raises(
        DataError, match=rf"mask-{kind}: has several channels of 16 bits; save ids as one channel"
    ) as caught:
        read_mask(path)
    assert caught.value.kind == "label format"


def test_as_many_pixels_as_images_may_have(tmp_path: Path) -> None:
    """Those of OpenCV, which reads the images, not Pillow's 179 million."""
    (tmp_path / "classes.yml").write_text(IDS)
    path = tmp_path / "mask.png"
    path.write_bytes(png((2**15).to_bytes(4, "big") + (2**15 + 1).to_bytes(4, "big") + bytes([8, 0]), b""))
    with pytest.raises(DataError, match=r"mask\.png: has more than 1,073,741,824 pixels; cut it into parts") as caught:
        read_mask(path)
    assert caught.value.kind == "too large"


MANY = {"8": VALUES, "16": VALUES.astype(np.uint16), "rgb": PALETTE[VALUES], "grey": np.stack([VALUES] * 3, -1)}


@pytest.mark.parametrize("mask", MANY.values(), ids=MANY)
def test_memory(read: Callable[..., Array], tmp_path: Path, mask: np.ndarray) -> None:
    """A mask of as many pixels as Pillow likes takes less than 2 GB: a dozen bytes a pixel, not two dozen."""
    read(np.tile(mask, (170, 110, 1)[: mask.ndim]))
    reader = MaskReader(read_class_file(tmp_path / "classes.yml"))
    reader.settle([tmp_path / "mask.png"])
    reader(tmp_path / "mask.png")  # makes the tables
    tracemalloc.start()
    pixels = reader(tmp_path / "mask.png").size
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pixels > 1e6 and peak / pixels < 12


@pytest.mark.slow
def test_a_mask_of_more_pixels_than_pillow_likes(read: Callable[..., Array]) -> None:
    mask = Image.new("1", (13500, 13500))
    mask.putpixel((7, 13499), 1)
    label = read(mask, IDS)
    assert label.shape == (13500, 13500) and label[13499, 7] == 1 and label.sum() == 1


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha(read: Callable[..., Array], mode: str) -> None:
    plain = Image.fromarray(PALETTE[VALUES] if mode == "RGBA" else VALUES)
    opaque = plain.convert(mode)
    assert (read(opaque) == LABEL).all()
    alpha = Image.new("L", plain.size, 255)
    alpha.putpixel((3, 2), 254)
    opaque.putalpha(alpha)
    with pytest.raises(DataError, match=r"mask\.png: has transparent pixels") as caught:
        read(opaque)
    assert caught.value.kind == "label format"


BLACK_WHITE = "[{name: no, id: 0, colour: [0, 0, 0]}, {name: yes, id: 1, colour: [255, 255, 255]}]".replace(
    "no", "'no'"
).replace("yes", "'yes'")


@pytest.mark.parametrize("classes", [BLACK_WHITE, BLACK_WHITE.replace("id: 0, ", "").replace("id: 1, ", "")])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_black_and_white(read: Callable[..., Array], classes: str, mode: str) -> None:
    """0 and 255 in whatever mode: white is a class, not the ignored value 255."""
    ones = VALUES % 2
    assert (read(Image.fromarray(ones * 255).convert(mode), classes) == ones).all()


def test_bilevel_masks_hold_ids_0_and_1(read: Callable[..., Array]) -> None:
    assert (read(Image.fromarray((VALUES % 2) * 255).convert("1"), IDS) == VALUES % 2).all()


def test_ids_saved_in_three_channels(read: Callable[..., Array]) -> None:
    assert (read(np.stack([VALUES] * 3, -1), IDS) == LABEL).all() and (
        read(np.stack([VALUES] * 3, -1), BOTH) == LABEL
    ).all()
    with pytest.raises(DataError, match="is a colour mask, but .*classes.yml gives no colours"):
        read(PALETTE[VALUES], IDS)


@pytest.mark.parametrize("value", [4, 100, 254])
def test_a_value_that_is_no_class(read: Callable[..., Array], value: int) -> None:
    mask = VALUES.copy()
    mask[2, 3:5] = value
    with pytest.raises(DataError, match=rf"mask\.png: value {value} is no class; ids are in .*classes\.yml") as caught:
        read(mask)
    assert caught.value.values == {f"value {value}": 2}


def test_smoothed_borders_are_told(read: Callable[..., Array]) -> None:
    smooth = Image.fromarray(PALETTE[VALUES % 3]).resize((90, 60), Image.Resampling.BICUBIC)
    with pytest.raises(
        DataError, match=r"colour \(\d+, \d+, \d+\) is no class \(and \d+ more\); colours .* without smoothed borders"
    ) as caught:
        read(smooth)
    colours, counts = np.unique(np.asarray(smooth).reshape(-1, 3), axis=0, return_counts=True)
    wrong = {
        f"colour ({r}, {g}, {b})": n
        for (r, g, b), n in zip(colours.tolist(), counts, strict=True)
        if [r, g, b] not in PALETTE.tolist()
    }
    assert len(caught.value.values) == 256 and caught.value.values.items() <= wrong.items()


def test_exif_turns_the_mask_as_it_turns_the_image(read: Callable[..., Array], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    label = read(VALUES, IDS, exif=exif)
    assert label.shape == (9, 6) and (label == np.rot90(LABEL, -1)).all()
    assert (
        label == np.where(np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "mask.png"))) == 3, 255, label)
    ).all()


@pytest.mark.parametrize(("mode", "what"), [("CMYK", "CMYK inks"), ("F", "floating-point numbers")])
def test_other_kinds(read: Callable[..., Array], mode: str, what: str) -> None:
    with pytest.raises(DataError, match=f"mask.tif: holds {what}; save the mask as PNG"):
        read(Image.new(mode, (8, 8)), BOTH, "tif")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.95])
def test_damaged(tmp_path: Path, read: Callable[..., Array], suffix: str, keep: float) -> None:
    noise = np.random.default_rng(0).integers(0, 3, (64, 64)).astype(np.uint8)
    read(noise, IDS, suffix)
    path = tmp_path / f"mask.{suffix}"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DataError, match=rf"mask\.{suffix}: not an image, or truncated"):
        read_mask(path)
