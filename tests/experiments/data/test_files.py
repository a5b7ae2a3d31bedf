"""Images as every viewer shows them, and damaged files refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from experiments.data.files import DataError, read_image
from experiments.runtime.decoding import is_whole

PIXELS = np.random.default_rng(0).integers(0, 255, (5, 7, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
FORMATS = ("png", "bmp", "tif", "webp", "jpg")


def save(path: Path, **more: object) -> Path:
    Image.fromarray(PIXELS).save(path, **({"lossless": True} if path.suffix == ".webp" else {}), **more)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_reads_every_format_in_rgb(tmp_path: Path, suffix: str) -> None:
    image = read_image(save(tmp_path / f"a.{suffix}"))
    assert image.dtype == np.uint8 and image.shape == PIXELS.shape
    assert np.abs(image.astype(int) - PIXELS).max() <= (255 if suffix == "jpg" else 0)
    assert np.abs(image.astype(int) - PIXELS).mean() < 20


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    image = read_image(path)
    assert image.shape == expected.shape and np.abs(image.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.9])
def test_truncated(tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, keep: float) -> None:
    path = save(tmp_path / f"a.{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DataError, match=rf"a\.{suffix}: not an image, or truncated") as caught:
        read_image(path)
    assert caught.value.kind == "unreadable" and caught.value.file == path
    assert capfd.readouterr().err == ""  # the decoders are silent


def test_a_flipped_bit_anywhere_in_a_png_is_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "a.png")
    data = path.read_bytes()
    assert is_whole(data)
    for place in range(8, len(data), 13):
        broken = bytearray(data)
        broken[place] ^= 1
        assert not is_whole(bytes(broken)), place
    path.write_bytes(bytes(broken))
    with pytest.raises(DataError):
        read_image(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_what_is_appended_does_no_harm(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}")
    expected = read_image(path)
    path.write_bytes(path.read_bytes() + b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 100)
    assert np.array_equal(read_image(path), expected)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "folder.png").mkdir()
    for name, reason in (("loop.png", "symbolic links"), ("folder.png", "directory"), ("none.png", "No such file")):
        with pytest.raises(DataError, match=rf"{name}: cannot be read \(.*{reason}"):
            read_image(tmp_path / name)
