"""Users' own folders: three layouts, a division that stays, and a line for every mistake."""

import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from experiments.data import load, open_source
from experiments.data.sets.folder import validation_names
from experiments.options.groups import IGNORE, DataOptions
from nas_space.errors import InputError


def options(root: Path, **more: object) -> DataOptions:
    return DataOptions(name="folder", root=str(root), size="32x48", **more)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path, write_folder: Callable[..., Path]) -> Path:
    return write_folder(tmp_path / "plants")


def test_splits_in_their_own_folders(root: Path) -> None:
    data = load(options(root))
    assert data.train.names == ("train0", "train1", "train2") and data.val.names == ("val0", "val1")
    assert data.classes == ("grass", "path", "pond", "hut") and data.colours[3] == (200, 0, 0)
    assert data.train.images.shape == (3, 3, 32, 48) and set(data.train.labels.unique().tolist()) == {0, 1, 2, 3}
    # The pictures are their masks' colours and some noise, so images and labels lie on each other.
    colours = torch.tensor(data.colours)[data.val.labels.long()].permute(0, 3, 1, 2)
    assert (data.val.images.float() - colours).abs().mean() < 25


def test_index_and_colour_masks_give_the_same_data(tmp_path: Path, write_folder: Callable[..., Path]) -> None:
    one, two = (
        load(options(write_folder(tmp_path / name, colours=name == "colours"))) for name in ("colours", "indices")
    )
    assert torch.equal(one.train.labels, two.train.labels) and torch.equal(one.val.images, two.val.images)


def test_the_other_order_of_folders_and_a_test_split(root: Path) -> None:
    before = load(options(root))
    for kind in ("images", "masks"):
        for split in ("train", "val"):
            (root / kind).mkdir(exist_ok=True)
            (root / split / kind).rename(root / kind / split)
    for split in ("train", "val"):
        (root / split).rmdir()
    after = load(options(root))
    assert torch.equal(before.train.images, after.train.images) and torch.equal(before.val.labels, after.val.labels)
    assert set(open_source(options(root)).splits) == {"train", "val"}
    for kind in ("images", "masks"):
        (root / kind / "val").rename(root / kind / "test")
        (root / kind / "train").rename(root / kind / "val")
        (root / kind / "train").symlink_to(root / kind / "val")
    assert [sample.name for sample in open_source(options(root)).splits["test"]] == ["val0", "val1"]


def test_images_and_masks_alone_are_divided(tmp_path: Path, write_folder: Callable[..., Path]) -> None:
    root = write_folder(tmp_path, train=20, val=1)
    (root / "train" / "images").rename(root / "images")
    (root / "train" / "masks").rename(root / "masks")
    for kind in ("images", "masks", "."):
        for path in (root / "val" / kind).glob("*.png"):
            path.unlink()
        (root / "val" / kind).rmdir()
    (root / "train").rmdir()
    first, again = open_source(options(root)), open_source(options(root))
    names = {split: [sample.name for sample in samples] for split, samples in first.splits.items()}
    assert names == {split: [sample.name for sample in samples] for split, samples in again.splits.items()}
    assert (len(names["train"]), len(names["val"])) == (16, 4) and not set(names["train"]) & set(names["val"])
    assert len(open_source(options(root, val_fraction=0.5)).splits["val"]) == 10
    limited = open_source(options(root, limit=3)).splits
    assert {sample.name for sample in limited["train"]} <= set(names["train"]) and len(limited["val"]) == 3
    for fraction in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="data.val_fraction: .* must lie between 0 and 1"):
            open_source(options(root, val_fraction=fraction))


@pytest.mark.parametrize(
    ("layout", "more", "expected"),
    [
        ("train/images val/images", "images", "1 image in images/"),
        ("train/images val/images", "images/train test/images", "1 image in test/images/ and 1 image in images/train/"),
        ("images/train images/val", "images test/images", "1 image in images/ and 1 image in test/images/"),
        ("images/train images/val", "images/test", "1 image in images/test/"),  # without masks
        ("images", "test/images", "1 image in test/images/"),
        ("images", "Test/images", "1 image in Test/images/"),
        ("images/train images/val", "images/valid", "1 image in images/valid/"),
        ("images/train images/val images/test", "", None),
        ("images", "", None),
    ],
)
def test_images_beside_those_that_are_used_are_told(tmp_path: Path, layout: str, more: str, expected: str) -> None:
    (tmp_path / "classes.csv").write_text("name,id\na,0\nb,1\n")
    for place in (*layout.split(), *more.split()):
        for kind in ("images", "masks") if place in layout.split() else ("images",):
            folder = tmp_path / place.replace("images", kind)
            folder.mkdir(parents=True, exist_ok=True)
            for name in "ab" if place == "images" and not more.startswith("images") else "a":
                Image.fromarray(np.eye(8, dtype=np.uint8)).save(folder / f"{name}.png")
    told = [str(one) for one in open_source(options(tmp_path)).problems if one.kind == "left out"]
    assert len(told) == (expected is not None)
    if expected is not None:
        used = ", ".join(f"{place}/" for place in layout.split())
        assert told[0].startswith(f"{tmp_path}: not used: {expected} (used: {used}); a split needs images/ and masks/")


def test_remarks_are_told_before_a_training(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("c", "b", "d"):
        Image.new("L", (9, 9)).save(root / "train" / "masks" / f"{name}.png")
        (root / "train" / "images" / "more").mkdir(exist_ok=True)
        Image.new("L", (9, 9)).save(root / "train" / "images" / "more" / f"{name}.png")
    for path in (root / "val" / "masks").iterdir():
        path.rename(path.with_stem(f"{path.stem}_mask"))
    load(options(root))
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 3  # one for each kind
    assert re.search(r"more/b.png and 2 more in folders inside of it are not used; move them up$", notes[0])
    assert re.search(r"masks/b.png: has no image .*\(and 2 more of this kind: ssr-nas data check lists", notes[1])
    assert notes[2].endswith("differ in the ending '_mask' of labels; val0.png is paired with val0_mask.png")


def test_an_image_in_two_splits_is_told_before_a_training(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(options(root))
    assert "note" not in capsys.readouterr().err
    shutil.copy(root / "train" / "images" / "train2.png", root / "val" / "images" / "val1.png")
    load(options(root))
    text = "note: 1 image of val is in train too (first val1, the same as train2); val is not independent of train"
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("header", "entry", "told"),
    [
        ("name,id", "roof,255", True),
        ("name,id,ignore", "roof,255,", True),
        ("name,id,ignore", "roof,255,yes", False),
        ("name,id,ignore", "roof,255,no", False),
        ("name,id", "void,255", False),
        ("name,id", "void,9", False),
    ],
)
def test_a_class_that_is_ignored_for_its_id_is_told(root: Path, header: str, entry: str, told: bool) -> None:
    more = "," * (header.count(",") - 1)
    lines = [header, *(f"c{index},{index}{more}" for index in range(4)), entry]
    (root / "classes.csv").write_text("\n".join(lines))
    found = [str(one) for one in open_source(options(root)).problems if one.kind == "ignored class"]
    text = (
        "roof (255) is ignored, as id 255 is; if it should be a class, give it false in the column ignore (if not, true"
    )
    assert found == ([f"{root / 'classes.csv'}: {text} in the column ignore)"] if told else [])


def test_the_division_depends_on_names_alone() -> None:
    names = [f"image{i}" for i in range(50)]
    chosen = validation_names(names, 0.2)
    shuffled = names[:]
    random.Random(1).shuffle(shuffled)
    assert len(chosen) == 10 and validation_names(shuffled, 0.2) == chosen
    assert len(chosen & validation_names([*names, "one more"], 0.2)) >= 9
    assert [len(validation_names(names[:n], 0.2)) for n in (0, 1, 2, 3, 8)] == [0, 0, 1, 1, 2]
    assert len(validation_names(names, 0.999)) == 49 and validation_names(
        ["\udcff", "b"], 0.5
    )  # a name that is no valid text


def test_images_of_any_sizes_and_kinds(tmp_path: Path, write_folder: Callable[..., Path]) -> None:
    root = write_folder(tmp_path / "plants", colours=False)
    rng = np.random.default_rng(0)
    for i, suffix in enumerate(("jpg", "JPEG", "bmp", "tiff", "webp")):
        size = (30 + 7 * i, 90 - 11 * i)
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(
            root / "train" / "images" / f"x{i}.{suffix}"
        )
        Image.fromarray(rng.integers(0, 4, size, dtype=np.uint8)).save(
            root / "train" / "masks" / f"x{i}.{'tif' if i % 2 else 'bmp'}"
        )
    (root / "train" / "images" / "._x0.jpg").write_bytes(b"resource fork")
    (root / "train" / "images" / "notes.txt").write_text("notes")
    samples = open_source(options(root)).splits["train"]
    assert len(samples) == 8
    shapes = {sample.name: [array.shape for array in sample.read()] for sample in samples}
    assert shapes["x4"] == [(58, 46, 3), (58, 46)] and load(options(root)).train.images.shape == (8, 3, 32, 48)


def test_grey_images_and_images_with_alpha(root: Path) -> None:
    for name, mode in (("train0", "L"), ("train1", "RGBA"), ("train2", "P")):
        path = root / "train" / "images" / f"{name}.png"
        Image.open(path).convert(mode).save(path)
    assert all(sample.read()[0].shape == (40, 56, 3) for sample in open_source(options(root)).splits["train"])


def test_exif_turns_image_and_mask_alike(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image, mask = (root / "train" / kind / "train0.png" for kind in ("images", "masks"))
    before = open_source(options(root)).splits["train"][0].read()
    Image.open(image).save(image, exif=exif)
    with pytest.raises(
        InputError,
        match=r"differ in size, height x width \(56x40 and 40x56\); a tag \(EXIF orientation\) turns train0\.png alone",
    ):
        open_source(options(root)).splits["train"][0].read()
    Image.open(mask).rotate(-90, expand=True).save(mask)  # drawn on what a viewer shows
    after = open_source(options(root)).splits["train"][0].read()
    assert all((np.rot90(one, -1) == two).all() for one, two in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (
            lambda root: (root / "val" / "masks").rename(root / "gone"),
            r"val/masks: no such folder; data\.root must hold train/images",
        ),
        (
            lambda root: (root / "train" / "masks" / "train1.png").unlink(),
            r"train1\.png: its label .*masks/train1\.png is missing",
        ),
        (
            lambda root: (root / "train" / "masks" / "train1.png").rename(root / "train" / "masks" / "train1.jpg"),
            r"train1\.jpg does not count: labels are \.png, \.bmp",
        ),
        (
            lambda root: Image.new("RGB", (9, 9)).save(root / "val" / "images" / "val0.jpg"),
            r"val0\.png: val0\.jpg has the same name",
        ),
        (
            lambda root: Image.new("L", (9, 9)).save(root / "val" / "masks" / "val0.bmp"),
            r"masks/val0\.png: val0\.bmp has the same name",
        ),
        (
            lambda root: Image.new("L", (9, 9)).save(root / "val" / "masks" / "val0.png"),
            r"differ in size, .*\(40x56 and 9x9\); make the label",
        ),
        (
            lambda root: Image.new("L", (56, 40), 9).save(root / "val" / "masks" / "val0.png"),
            r"masks/val0\.png: value 9 is no class",
        ),
        (
            lambda root: [path.unlink() for path in (root / "val" / "images").iterdir()],
            r"val/images: holds no \.jpg.* or \.webp image",
        ),
        (lambda root: (root / "classes.csv").unlink(), "holds no file of classes"),
    ],
)
def test_mistakes(
    tmp_path: Path, write_folder: Callable[..., Path], action: Callable[[Path], object], message: str
) -> None:
    root = write_folder(tmp_path / "plants", colours=False)
    action(root)
    with pytest.raises(InputError, match=message):
        load(options(root))


def test_an_empty_root_and_one_image(tmp_path: Path, write_folder: Callable[..., Path]) -> None:
    (tmp_path / "classes.csv").write_text("name,id\na,0\nb,1\n")
    with pytest.raises(InputError, match=r"images: no such folder; data\.root must hold .* or just images and masks"):
        load(options(tmp_path))
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        Image.new("L", (40, 40)).save(tmp_path / kind / "a.png")
    with pytest.raises(InputError, match=r"a\.png: the only image cannot be divided"):
        load(options(tmp_path))


def test_everything_ignored(tmp_path: Path, write_folder: Callable[..., Path]) -> None:
    root = write_folder(tmp_path / "plants", colours=False)
    for path in (root / "val" / "masks").iterdir():
        Image.new("L", (56, 40), IGNORE).save(path)
    with pytest.raises(InputError, match="no validation image of folder has a labelled pixel"):
        load(options(root))


def test_class_file_elsewhere(root: Path, tmp_path: Path) -> None:
    (root / "classes.csv").rename(tmp_path / "mine.csv")
    assert load(options(root, classes=str(tmp_path / "mine.csv"))).classes[0] == "grass"
    with pytest.raises(InputError, match=r"other\.csv: cannot be read"):
        load(options(root, classes="other.csv"))


def test_bits_of_images_reach_every_reader(root: Path) -> None:
    before = load(options(root))
    for path in (root / "train" / "images").iterdir():
        deep = np.asarray(Image.open(path).convert("RGB")).astype(np.uint16)[..., ::-1] * 64  # 14 bits
        if path.suffix != ".png":
            path.unlink()
        assert cv2.imwrite(str(path.with_suffix(".png")), deep)
    after = load(replace(options(root), image_bits=14))
    assert torch.equal(before.train.images, after.train.images) and after.image_bits == 14
