"""Bits of 16-bit images: one decision for a data set, whatever a single image looks like."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from experiments.commands import data_check
from experiments.data import load, open_source
from experiments.data.image_bits import CHUNK, Depth, find_bits, find_depth
from experiments.options.groups import DataOptions

RAMP = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 256


def save(path: Path, values: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), values)
    return path


def images(folder: Path, *largest: int) -> list[Path]:
    return [save(folder / f"{i}.png", np.full((4, 4), value, np.uint16)) for i, value in enumerate(largest)]


@pytest.mark.parametrize(
    ("largest", "bits"),
    [
        ((255, 3), 8),
        ((256,), 10),
        ((1023, 40), 10),
        ((1024, 9), 12),
        ((30, 4095), 12),
        ((4096, 30), 14),
        ((16383, 30), 14),
        ((30, 16384), 16),
        ((0, 0), None),  # black tells nothing
        ((0, 4095), 12),
        ((), None),
    ],
)
def test_the_largest_sample_of_all_images_decides(largest: tuple[int, ...], bits: int | None, tmp_path: Path) -> None:
    found, words = find_bits(images(tmp_path, *largest))
    assert found == bits
    assert bool(words) == (bits not in (None, 16)) and (not words or f"as {bits}-bit ones" in words)


def test_8_bit_images_and_damaged_ones_tell_nothing(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"a.{kind}", RAMP.astype(np.uint8)) for kind in ("png", "jpg", "tif", "bmp", "pgm")]
    for name in ("b.png", "b.tif", "b.pgm"):
        path = save(tmp_path / name, RAMP * 256)
        path.write_bytes(path.read_bytes()[:200])
        paths.append(path)
    paths += [tmp_path / "none.png", tmp_path]
    assert [find_depth(path) for path in paths] == [None] * len(paths) and find_bits(paths) == (None, "")


@pytest.mark.parametrize("kind", ["png", "tif", "pgm"])
def test_every_kind_of_16_bit_file(kind: str, tmp_path: Path) -> None:
    assert find_depth(save(tmp_path / f"a.{kind}", RAMP * 16)) == Depth(4080, None)


def test_what_files_say_counts_where_all_say_it(tmp_path: Path) -> None:
    said = tmp_path / "a.tif"
    tifffile.imwrite(said, RAMP * 4, photometric="minisblack", metadata=None, extratags=[(281, 3, 1, 1023, True)])
    assert find_depth(said) == Depth(1020, 10) and find_bits([said]) == (None, "")
    silent = save(tmp_path / "b.png", RAMP // 8)
    assert find_bits([said, silent])[0] == 10  # one way for both: a network sees either
    tifffile.imwrite(said, RAMP * 256, photometric="minisblack", metadata=None, extratags=[(281, 3, 1, 1023, True)])
    assert find_depth(said) == Depth(65280, 16)


def test_true_16_bits_are_found_without_reading_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = images(tmp_path, 60000) * (3 * CHUNK)
    read: list[Path] = []
    monkeypatch.setattr(
        "experiments.data.image_bits.find_depth", lambda path, **_: read.append(path) or Depth(60000, None)
    )
    assert find_bits(paths) == (16, "") and len(read) == CHUNK


def test_a_dark_image_keeps_its_place_beside_the_others(
    tmp_path: Path, write_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_folder(tmp_path / "plants", colours=False)
    options = DataOptions(name="folder", root=str(root), size="40x56")
    for scale, bits in ((16, 12), (64, 14), (256, 16)):
        for split in ("train", "val"):
            for number, path in enumerate(sorted((root / split / "images").iterdir())):
                values = np.full((40, 56), 200 * scale if split == "val" else (number + 1) * scale, np.uint16)
                path.unlink()
                save(path.with_suffix(".png"), values)
        data = load(options)
        assert data.image_bits == bits
        assert [int(image.max()) for image in data.train.images] == [1 + i for i in range(len(data.train))]
        assert int(data.val.images.max()) == 200
        told = capsys.readouterr().err
        assert told.count(f"16-bit images are read as {bits}-bit ones") == (bits != 16)
        report = data_check.run(data_check.Options(options))
        assert report["image_bits"] == bits and json.dumps(report)
        assert (f"as {bits}-bit ones" in report["image_reading"]) == (bits != 16)
        assert report["image_reading"] in capsys.readouterr().out
        assert load(DataOptions(**{**vars(options), "image_bits": 16})).image_bits == 16


def test_a_limit_leaves_the_bits_as_they_are(
    tmp_path: Path, write_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_folder(tmp_path / "plants", colours=False)
    options = DataOptions(name="folder", root=str(root), size="40x56")
    for path in (root / "train" / "images").iterdir():
        save(path, np.full((40, 56), 16000 if path.stem == "train2" else 900, np.uint16))
    limited = DataOptions(**{**vars(options), "limit": 1})
    source = open_source(limited)
    assert source.image_bits == 14 and source.image_reading == open_source(options).image_reading
    assert [sample.name for sample in source.splits["train"]] == ["train0"]
    monkeypatch.setattr("experiments.data.image_bits.decode_samples", None)
    assert open_source(limited).image_bits == 14  # nothing is decoded twice


def test_images_of_8_bits_have_no_bits_to_tell(tmp_path: Path, write_folder: Callable[..., Path]) -> None:
    data = load(DataOptions(name="folder", root=str(write_folder(tmp_path / "plants")), size="40x56"))
    assert data.image_bits is None and data.source is not None and data.source.image_reading == ""
