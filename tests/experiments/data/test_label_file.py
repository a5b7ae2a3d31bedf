"""Samples of label files come back as they are stored, in every depth and format, or the file is refused by name."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.data import open_source
from experiments.data.files import DataError, read_image
from experiments.data.label_file import open_label
from experiments.data.labels import IndexReader, make_table, read_pair
from experiments.data.pages import check_image
from experiments.options.groups import DataOptions

RAW = np.random.default_rng(0).integers(0, 2**16, (7, 13))


def grey_png(values: np.ndarray, depth: int, kind: int = 0) -> bytes:
    """A PNG with these samples: grey, or indices of a palette (kind 3)."""
    height, width = values.shape
    rows = b"".join(b"\0" + (row.astype(">u2").tobytes() if depth > 8 else _packed(row, depth)) for row in values)
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, kind, 0, 0, 0])
    colours = [(b"PLTE", bytes(i % 256 for i in range(3 * 2**depth)))] if kind == 3 else []
    parts = [(b"IHDR", header), *colours, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = (len(d).to_bytes(4, "big") + k + d + zlib.crc32(k + d).to_bytes(4, "big") for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def grey_tiff(
    values: np.ndarray,
    depth: int,
    photometric: int = 1,
    sample_format: int = 1,
    subfiles: tuple[int, ...] = (0,),
    compression: int = 1,
) -> bytes:
    """A TIFF of one strip with samples, and a page for each of ``subfiles`` (``NewSubfileType``).

    Those that are marked as smaller copies are smaller, but for a mark of 9.
    """
    height, width = values.shape
    rows = values.astype("<u2").tobytes() if depth > 8 else b"".join(_packed(row, depth) for row in values)
    data = b"II*\0" + (8 + len(rows)).to_bytes(4, "little") + rows
    for page, subfile in enumerate(subfiles):
        low = height - 1 if subfile == 1 else height
        tags = {254: subfile % 8, 256: width, 257: low, 258: depth, 259: compression, 262: photometric, 273: 8, 277: 1}
        tags |= {278: low, 279: len(rows), 339: sample_format}
        after = len(data) + 2 + 12 * len(tags) + 4 if page + 1 < len(subfiles) else 0
        entries = (struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
        data += struct.pack("<H", len(tags)) + b"".join(entries) + struct.pack("<I", after)
    return data


def _packed(row: np.ndarray, depth: int) -> bytes:
    bits = "".join(format(int(value), f"0{depth}b") for value in row)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


@pytest.mark.parametrize(
    ("kind", "depth"), [(kind, depth) for kind in ("png", "tif", "palette") for depth in (1, 2, 4, 8, 16)][:-1]
)
def test_every_depth(tmp_path: Path, kind: str, depth: int) -> None:
    values = RAW % 2**depth
    data = grey_tiff(values, depth) if kind == "tif" else grey_png(values, depth, 3 if kind == "palette" else 0)
    (tmp_path / "a.png").write_bytes(data)
    label = open_label(tmp_path / "a.png")
    assert label.values.shape == (7, 13) and (label.values == values).all()
    assert label.bits == depth and (label.palette is not None) == (kind == "palette")


@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_readers_of_published_sets_read_raw_samples(tmp_path: Path, kind: str, depth: int) -> None:
    values = RAW % 4
    (tmp_path / "a.png").write_bytes(grey_tiff(values, depth) if kind == "tif" else grey_png(values, depth))
    reader = IndexReader(make_table({i: 10 + i for i in range(4)}, 256), "0 to 3")
    assert (reader(tmp_path / "a.png") == values + 10).all()


def test_shades_are_what_a_viewer_shows(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(grey_png(RAW % 16, 4))
    label = open_label(tmp_path / "a.png")
    assert label.shades() is not None and (label.shades() == np.asarray(Image.open(tmp_path / "a.png"))).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (grey_tiff(RAW % 256, 8, photometric=0), "is a TIFF whose white is 0"),
        (grey_tiff(np.full((4, 4), 255), 8, sample_format=2), "holds negative values"),
        (grey_tiff(np.full((4, 4), 65535), 16, sample_format=2), "holds negative values"),
    ],
)
def test_samples_that_mean_something_else(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(DataError, match=rf"a\.tif: {message}"):
        open_label(tmp_path / "a.tif")


IMAGE = Image.fromarray((RAW % 13).astype(np.uint8))
LOSSY: dict[str, tuple[dict[str, Any], str]] = {
    "jpeg": ({"format": "JPEG"}, "is JPEG by its content"),
    "webp": ({"format": "WEBP", "quality": 80}, "is lossy WebP by its content"),
    "jpeg2000": ({"format": "JPEG2000"}, "is JPEG 2000 by its content"),
    "tiff-jpeg": ({"format": "TIFF", "compression": "jpeg"}, "is a TIFF compressed by JPEG"),
}


@pytest.mark.parametrize("kind", LOSSY)
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_lossy_content_is_named_whatever_the_file_is_called(tmp_path: Path, kind: str, name: str) -> None:
    how, message = LOSSY[kind]
    content = io.BytesIO()
    IMAGE.save(content, **how)
    (tmp_path / name).write_bytes(content.getvalue())
    for read in (open_label, IndexReader(make_table({}, 256), "")):
        with pytest.raises(DataError, match=rf"{name}: {message}.*PNG") as caught:
            read(tmp_path / name)
        assert caught.value.kind == "lossy label"
    assert open_label(tmp_path / name, lossy=True).values.shape[:2] == (7, 13)


def test_a_tiff_compressed_by_webp(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(grey_tiff(RAW % 256, 8, compression=50001))
    with pytest.raises(DataError, match=r"a\.tif: is a TIFF compressed by WebP, which may change label values"):
        open_label(tmp_path / "a.tif")


@pytest.mark.parametrize("how", [{"format": "WEBP", "lossless": True}, {"format": "GIF"}, {"format": "BMP"}])
def test_exact_content_under_another_name(tmp_path: Path, how: dict[str, Any]) -> None:
    (IMAGE.convert("RGB") if how["format"] == "WEBP" else IMAGE).save(tmp_path / "a.bin", **how)
    (tmp_path / "a.bin").rename(tmp_path / "a.png")
    label = open_label(tmp_path / "a.png")
    assert (label.values.reshape(7, 13, -1)[..., 0] == RAW % 13).all()


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "GIF", "WEBP"])
def test_several_pages(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    pages = [Image.fromarray(((RAW + i) % 13).astype(np.uint8)).convert("RGB") for i in range(3)]
    more = {"lossless": True} if kind == "WEBP" else {}
    with path.open("w+b") as file:
        pages[0].save(file, format=kind, save_all=True, append_images=pages[1:], **more)
    with pytest.raises(DataError, match=r"a\.png: holds 3 pages; .*--data\.first_page true") as caught:
        open_label(path)
    assert caught.value.kind == "several pages"
    first = open_label(path, first_page=True).colours()
    assert first is not None and (first[..., 0] == RAW % 13).all()
    with pytest.raises(DataError, match="holds 3 pages"):
        check_image(path)


def test_images_of_several_pages_are_told_by_every_reader(tmp_path: Path) -> None:
    image, label = tmp_path / "a.tif", tmp_path / "a.png"
    IMAGE.convert("RGB").save(image, save_all=True, append_images=[IMAGE.convert("RGB")])
    IMAGE.save(label)
    table = make_table({i: i for i in range(13)}, 256)
    with pytest.raises(DataError, match=r"a\.tif: holds 2 pages"):
        read_pair(image, label, IndexReader(table, ""))
    read = read_pair(image, label, IndexReader(table, "", first_page=True))
    assert (read[0] == np.asarray(IMAGE.convert("RGB"))).all() and (read[1] == RAW % 13).all()


@pytest.mark.parametrize(
    ("subfiles", "pages"), [((0, 1, 1), 1), ((0, 4), 1), ((0, 1, 0), 2), ((0, 2, 2), 3), ((0, 9), 2)]
)
def test_smaller_copies_of_a_page_are_no_pages(tmp_path: Path, subfiles: tuple[int, ...], pages: int) -> None:
    (tmp_path / "a.tif").write_bytes(grey_tiff(RAW % 256, 8, subfiles=subfiles))
    if pages > 1:
        with pytest.raises(DataError, match=f"has {pages} pages"):
            read_image(tmp_path / "a.tif")
        with pytest.raises(DataError, match=f"holds {pages} pages"):
            open_label(tmp_path / "a.tif")
    else:
        assert (open_label(tmp_path / "a.tif").values == RAW % 256).all()


SETS = {
    "camvid": ("{split}/a.png", "{split}annot/a.png", (0, 1, 10), [0, 1, 10]),
    "cityscapes": (
        "leftImg8bit/{split}/ulm/a_leftImg8bit.png",
        "gtFine/{split}/ulm/a_gtFine_labelIds.png",
        (7, 8, 11),
        [0, 1, 2],
    ),
    "bdd100k": ("images/10k/{split}/a.jpg", "labels/sem_seg/masks/{split}/a.png", (0, 1, 15), [0, 1, 15]),
}
"""Where image and label lie, values of the label, and their classes."""


@pytest.mark.parametrize("name", SETS)
def test_published_sets_read_samples_of_4_bits(tmp_path: Path, name: str) -> None:
    image, label, values, classes = SETS[name]
    places = np.arange(32 * 33).reshape(32, 33) % 3
    for split in ("train", "val"):
        for place in (image, label):
            (tmp_path / place.format(split=split)).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (33, 32)).save(tmp_path / image.format(split=split))
        (tmp_path / label.format(split=split)).write_bytes(grey_png(np.array(values)[places], 4))
    source = open_source(DataOptions(name=name, root=str(tmp_path)))
    assert (source.splits["val"][0].read()[1] == np.array(classes)[places]).all()
