"""Photos that EXIF turns, and masks that it does not: told where the size does not tell it."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from experiments.commands import data_check
from experiments.data import load, open_source
from experiments.data.files import read_image
from experiments.data.label_file import open_label
from experiments.data.orientation import TURNED, find_turned, read_orientation
from experiments.options.groups import DataOptions

TAG = 0x0112
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="3"/></rdf:RDF></x:xmpmeta>'
)


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[TAG] = orientation
    return made


def turn(path: Path, orientation: int, pixels: Image.Image | None = None) -> Path:
    image = pixels or Image.open(path)
    image.load()
    image.save(path, exif=exif(orientation))
    return path


def late(path: Path) -> Path:
    """The PNG with its EXIF behind the pixels, where exiftool writes it."""
    data = path.read_bytes()
    start = data.index(b"eXIf") - 4
    chunk = data[start : start + 12 + int.from_bytes(data[start : start + 4], "big")]
    data = data.replace(chunk, b"")
    end = data.index(b"IEND") - 4
    path.write_bytes(data[:end] + chunk + data[end:])
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 6, 8])
def test_what_is_read_is_what_turns_images(tmp_path: Path, suffix: str, orientation: int) -> None:
    path, plain = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    pixels = Image.fromarray(np.repeat(np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8), 8, 0).repeat(8, 1))
    for one, tags in ((path, {"exif": exif(orientation)}), (plain, {})):
        pixels.convert("RGB").save(one, **tags)
    assert read_orientation(path) == orientation and read_orientation(plain) == 1
    assert (read_image(path).shape == read_image(plain).shape) and (orientation == 1) == bool(
        (read_image(path) == read_image(plain)).all()
    )


def test_no_orientation(tmp_path: Path) -> None:
    for name in ("none.png", "text.png"):
        assert read_orientation(tmp_path / name) == 1
        (tmp_path / "text.png").write_bytes(b"\x89PNG\r\n\x1a\nhello")
    Image.new("L", (8, 8)).save(tmp_path / "a.jpg", exif=exif(9))
    assert read_orientation(tmp_path / "a.jpg") == 1
    assert read_orientation(late(turn(tmp_path / "a.png", 3, Image.new("L", (8, 8))))) == 3


@pytest.mark.parametrize("key", ["XML:com.adobe.xmp", "Raw profile type exif"])
def test_masks_are_turned_by_what_turns_images(tmp_path: Path, key: str) -> None:
    """Not by an orientation that images are not turned by."""
    info, raw = PngInfo(), exif(3).tobytes()
    info.add_itxt(key, XMP if "xmp" in key else f"\nexif\n{len(raw):8d}\n{raw.hex()}\n")
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "a.png", pnginfo=info)
    assert (open_label(tmp_path / "a.png").values == values).all() and read_orientation(tmp_path / "a.png") == 1
    assert (read_image(tmp_path / "a.png")[..., 0] == values).all()


@pytest.mark.parametrize(
    ("photo", "mask", "size", "told"),
    [
        (3, 1, (40, 24), "1 photo is turned as EXIF says (first {photo}: turned by 180 degrees)"),
        (2, 1, (40, 24), "(first {photo}: mirrored)"),
        (6, 1, (24, 24), "(first {photo}: turned by 90 degrees)"),
        (6, 8, (40, 24), "(first {photo}: turned by 90 degrees, {mask}: turned by 270 degrees); sizes do not tell"),
        (1, 3, (40, 24), "1 mask is turned as EXIF says (first {mask}: turned by 180 degrees), and the photo"),
        (3, 3, (40, 24), ""),
        (6, 6, (24, 24), ""),
        (6, 1, (40, 24), ""),  # the size tells it
        (1, 1, (24, 24), ""),
        (2, 3, (8, 6), "1 photo and its mask are turned differently as EXIF says (first {photo}: mirrored, {mask}: "),
    ],
)
def test_told_where_sizes_do_not_tell(tmp_path: Path, photo: int, mask: int, size: tuple[int, int], told: str) -> None:
    image, label = (turn(tmp_path / f"{n}.png", o, Image.new("L", size)) for n, o in (("i", photo), ("m", mask)))
    problems = find_turned([(image, label)])
    assert [(one.kind, one.stops) for one in problems] == [(TURNED, False)] * bool(told)
    assert told.format(photo=image, mask=label) in "".join(map(str, problems))


def test_the_check_and_a_training_tell_it_once(
    tmp_path: Path, write_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    options = DataOptions(name="folder", root=str(write_folder(tmp_path)), size="40x56")
    for name in ("train0", "train2"):
        turn(tmp_path / "train" / "images" / f"{name}.png", 3)
    load(options)
    line = (
        r"note: 2 photos are turned as EXIF says \(first \S*train0\.png: turned by 180 degrees\), and the masks without"
    )
    assert len(re.findall(line, capsys.readouterr().err)) == 1
    assert data_check.run(data_check.Options(options))["usable"]
    assert capsys.readouterr().out.count("2 photos are turned as EXIF says") == 1


def test_a_label_on_its_side_is_told_without_exif(tmp_path: Path, write_folder: Callable[..., Path]) -> None:
    options = DataOptions(name="folder", root=str(write_folder(tmp_path)))
    mask = tmp_path / "train" / "masks" / "train0.png"
    Image.open(mask).transpose(Image.Transpose.TRANSPOSE).save(mask)
    with pytest.raises(Exception, match=r"\(40x56 and 56x40\); the label lies on its side") as caught:
        open_source(options).splits["train"][0].read()
    assert "EXIF" not in str(caught.value)
