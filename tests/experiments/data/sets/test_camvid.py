import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from experiments.data import SegmentationData, load, open_source
from experiments.data.sets.camvid import CLASSES, COLOURS
from experiments.options.groups import IGNORE, DataOptions
from nas_space.errors import InputError

SIZE = (40, 56)


def load_camvid(root: str, size: tuple[int, int], limit: int | None = None) -> SegmentationData:
    return load(DataOptions(name="camvid", root=root, size="{}x{}".format(*size), limit=limit))


def write_pair(root: Path, split: str, name: str, ext: str = ".png", value: int = 3) -> tuple[Path, Path]:
    image = np.zeros((*SIZE, 3), np.uint8)
    image[:] = (10, 60, 200)  # BGR: a strong red
    label = np.full(SIZE, value, np.uint8)
    label[:, :28] = 0
    label[0] = 11
    label[1] = 255
    paths = root / split / f"{name}{ext}", root / f"{split}annot" / f"{name}.png"
    for path, array in zip(paths, (image, label), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), array)
    return paths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in ("train", "val"):
        for i, ext in enumerate((".png", ".jpg", ".png")):
            write_pair(tmp_path, split, f"a{i}", ext)
    return tmp_path


def test_reads_both_formats_in_rgb(root: Path) -> None:
    data = load_camvid(str(root), SIZE)
    assert data.train.names == ("a0", "a1", "a2") and len(data.val) == 3 and data.classes == CLASSES
    red, green, blue = data.train.images.float().mean((2, 3))[:2].unbind(1)
    assert (red > 190).all() and (50 < green).all() and (green < 70).all() and (blue < 20).all()


def test_void_is_ignored_and_the_rest_kept(root: Path) -> None:
    labels = load_camvid(str(root), SIZE).train.labels
    assert (labels[:, :2] == IGNORE).all()
    assert (labels[:, 2:, :28] == 0).all() and (labels[:, 2:, 28:] == 3).all()


@pytest.mark.parametrize("size", [(32, 33), (80, 100)])
def test_resizing_keeps_class_indices(root: Path, size: tuple[int, int]) -> None:
    data = load_camvid(str(root), size)
    assert data.train.images.shape == (3, 3, *size) and data.train.labels.shape == (3, *size)
    assert set(data.train.labels.unique().tolist()) <= {0, 3, IGNORE}


def test_limit_spreads_over_the_names(tmp_path: Path) -> None:
    for i in range(10):
        write_pair(tmp_path, "train", f"a{i}")
    write_pair(tmp_path, "val", "a0")
    data = load_camvid(str(tmp_path), (32, 32), limit=5)
    assert data.train.names == ("a0", "a2", "a4", "a6", "a8") and len(data.val) == 1


def test_root_comes_from_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMVID_ROOT", str(root))
    assert len(load(DataOptions(name="camvid", size="32x32")).train) == 3
    monkeypatch.delenv("CAMVID_ROOT")
    with pytest.raises(InputError, match="CAMVID_ROOT"):
        load(DataOptions(name="camvid"))


def test_the_published_copy_has_a_third_split(root: Path) -> None:
    options = DataOptions(name="camvid", root=str(root))
    (root / "test").mkdir()
    assert set(open_source(options).splits) == {"train", "val"}
    write_pair(root, "test", "b0")
    source = open_source(options)
    assert [sample.name for sample in source.splits["test"]] == ["b0"] and len(source.splits["train"]) == 3
    image, label = source.splits["test"][0].read()
    assert image.shape == (*SIZE, 3) and set(np.unique(label)) == {0, 3, IGNORE}


@pytest.mark.parametrize("folder", ["train", "trainannot", "val", "valannot"])
def test_missing_folder(root: Path, folder: str) -> None:
    (root / folder).rename(root / "elsewhere")
    with pytest.raises(InputError, match=f"{folder}: no such folder; data.root"):
        load_camvid(str(root), SIZE)


def test_empty_folder(tmp_path: Path) -> None:
    for folder in ("train", "trainannot"):
        (tmp_path / folder).mkdir()
    with pytest.raises(InputError, match="train: holds no .jpg, .jpeg or .png image.*and 2 more: ssr-nas data check"):
        load_camvid(str(tmp_path), SIZE)


def test_image_without_label(root: Path) -> None:
    (root / "trainannot" / "a1.png").unlink()
    with pytest.raises(InputError, match=r"a1\.jpg: its label .*a1\.png is missing"):
        load_camvid(str(root), SIZE)


def test_name_that_occurs_twice(root: Path) -> None:
    write_pair(root, "train", "a0", ".jpg")
    with pytest.raises(InputError, match="a0.* has the same name"):
        load_camvid(str(root), SIZE)


@pytest.mark.parametrize("value", [12, 100, 254])
def test_value_that_is_no_class(root: Path, value: int) -> None:
    write_pair(root, "train", "a1", ".jpg", value)
    with pytest.raises(InputError, match=rf"trainannot/a1\.png: value {value} is no class"):
        load_camvid(str(root), (32, 32))


def palette_label(path: Path, colours: list[int]) -> None:
    label = Image.fromarray(np.resize(np.array([0, 1, 2, 3], np.uint8), SIZE))
    label.putpalette(colours)
    label.save(path)


def test_palette_labels_are_read_by_index(root: Path) -> None:
    own = [value for colour in COLOURS for value in colour]
    for colours in (own, [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]):
        palette_label(root / "trainannot" / "a0.png", colours)
        assert (load_camvid(str(root), SIZE).train.labels[0].numpy() == np.resize([0, 1, 2, 3], SIZE)).all()


def test_a_palette_in_an_order_of_its_own_is_refused(root: Path) -> None:
    palette_label(root / "trainannot" / "a0.png", [value for colour in COLOURS[::-1] for value in colour])
    with pytest.raises(InputError, match=r"trainannot/a0\.png: its palette has the colours of other classes"):
        load_camvid(str(root), SIZE)


def test_palettes_are_judged_as_those_of_a_folder(root: Path) -> None:
    """Greys that are other ids, also with entries that no pixel uses; and palettes that differ."""
    label = root / "trainannot" / "a0.png"
    for rest in ([], [200] * 9):
        palette_label(label, [value for grey in (3, 2, 1, 0, *rest) for value in (grey, grey, grey)])
        with pytest.raises(
            InputError, match=r"a0\.png: its palette shows index 0 as the grey 3, .*--data\.name folder"
        ):
            load_camvid(str(root), SIZE)
    palette_label(label, [9, 0, 0, 0, 9, 0, 0, 0, 9, 9, 9, 9])
    palette_label(root / "valannot" / "a0.png", [0, 9, 0, 9, 0, 0, 0, 0, 9, 9, 9, 9])
    with pytest.raises(
        InputError, match=r"valannot/a0\.png: its palette gives index 0 the colour \(0, 9, 0\), that of a0"
    ):
        load_camvid(str(root), SIZE)


def test_labels_cannot_be_read_otherwise(root: Path) -> None:
    for key, value in (("labels", "colour"), ("threshold", 128)):
        with pytest.raises(InputError, match=f"data.{key}: camvid has labels of its own; leave it out"):
            open_source(DataOptions(name="camvid", root=str(root), **{key: value}))  # type: ignore[arg-type]


def test_different_sizes(root: Path) -> None:
    cv2.imwrite(str(root / "valannot" / "a2.png"), np.zeros((20, 20), np.uint8))
    with pytest.raises(
        InputError,
        match=r"val/a2\.png and .*valannot/a2\.png: image and label differ in size, height x width \(40x56 and 20x20\)",
    ):
        load_camvid(str(root), SIZE)


@pytest.mark.parametrize("array", [np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.uint16)])
def test_label_of_another_kind(root: Path, array: np.ndarray) -> None:
    cv2.imwrite(str(root / "trainannot" / "a0.png"), array)
    with pytest.raises(InputError, match=r"trainannot/a0\.png: a label must be a single-channel 8-bit PNG"):
        load_camvid(str(root), SIZE)


def test_ids_stretched_to_sixteen_bits(root: Path) -> None:
    cv2.imwrite(str(root / "trainannot" / "a0.png"), np.full(SIZE, 257 * 3, np.uint16))
    with pytest.raises(InputError, match=r"a0\.png: holds 771: ids of 8 bits, times 257.*divide them by 257"):
        load_camvid(str(root), SIZE)


@pytest.mark.parametrize("file", ["train/a0.png", "train/a1.jpg", "trainannot/a2.png"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.97])
def test_truncated_file(root: Path, file: str, keep: float) -> None:
    path = root / file
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputError, match=f"{file}: not an image, or truncated"):
        load_camvid(str(root), SIZE)


def test_text_that_calls_itself_an_image(root: Path) -> None:
    (root / "train" / "a0.png").write_text("hello")
    with pytest.raises(InputError, match=r"a0\.png: is plain text"):
        load_camvid(str(root), SIZE)


def test_the_real_one() -> None:
    folder = Path(os.environ.get("CAMVID_ROOT") or Path(__file__).parents[5] / "shared" / "camvid")
    if not folder.is_dir():
        pytest.skip(f"no CamVid at {folder}; set CAMVID_ROOT")
    data = load_camvid(str(folder), (90, 120), limit=6)
    assert len(data.train) == 6 and len(data.val) == 6
    splits = open_source(DataOptions(name="camvid", root=str(folder))).splits
    assert len(splits["train"]) == 367 and len(splits["val"]) == 101
    values = set(data.train.labels.unique().tolist())
    assert values <= {*range(len(CLASSES)), IGNORE} and {0, 1, 3} <= values
