"""The official layout, checked against torchvision's own reading of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import Cityscapes

from experiments.data import load, open_source
from experiments.data.sets.cityscapes import CLASSES, COLOURS
from experiments.options.groups import IGNORE, DataOptions
from nas_space.errors import InputError

OFFICIAL = {
    7: 0,
    8: 1,
    11: 2,
    12: 3,
    13: 4,
    17: 5,
    19: 6,
    20: 7,
    21: 8,
    22: 9,
    23: 10,
    24: 11,
    25: 12,
    26: 13,
    27: 14,
    28: 15,
    31: 16,
}
OFFICIAL |= {32: 17, 33: 18}
"""Label id -> train id, as published."""


@pytest.fixture
def root(tmp_path: Path, write_pair: Callable[..., tuple[Path, Path]]) -> Path:
    for split, names in {
        "train": ("ulm_000001_000019", "aachen_000000_000019"),
        "val": ("lindau_000002_000019",),
    }.items():
        for name in names:
            city = name.partition("_")[0]
            label = tmp_path / "gtFine" / split / city / f"{name}_gtFine_labelIds.png"
            write_pair(tmp_path / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", label, range(34))
            for other in ("color", "instanceIds"):
                Image.new("L", (8, 8)).save(label.with_name(f"{name}_gtFine_{other}.png"))
            label.with_name(f"{name}_gtFine_polygons.json").write_text("{}")
    return tmp_path


def options(root: Path) -> DataOptions:
    return DataOptions(name="cityscapes", root=str(root), size="40x56")


@pytest.mark.parametrize("split", ["train", "val"])
def test_same_files_and_labels_as_torchvision(root: Path, split: str) -> None:
    theirs = Cityscapes(str(root), split=split, mode="fine", target_type="semantic")
    samples = open_source(options(root)).splits[split]
    assert {str(sample.image): str(sample.label) for sample in samples} == {
        image: target[0] for image, target in zip(theirs.images, theirs.targets, strict=True)
    }
    own = {str(sample.image): sample.read() for sample in samples}
    for path, (picture, target) in zip(theirs.images, theirs, strict=True):
        image, label = own[path]
        values = np.asarray(target)
        assert (image == np.asarray(picture)).all()
        assert (label == np.vectorize(lambda value: OFFICIAL.get(value, IGNORE))(values)).all()
        assert set(np.unique(label)) == {*range(19), IGNORE}


def test_classes_are_the_published_ones() -> None:
    assert len(CLASSES) == 19 == len(set(COLOURS))
    assert CLASSES[0] == "road" and CLASSES[13] == "car" and CLASSES[18] == "bicycle" and COLOURS[0] == (128, 64, 128)


def test_loads_sorted_by_name(root: Path) -> None:
    data = load(options(root))
    assert data.train.names == ("aachen_000000_000019", "ulm_000001_000019") and data.classes == CLASSES
    assert data.train.images.shape == (2, 3, 40, 56)


def test_files_beside_the_cities_are_passed_over(root: Path) -> None:
    (root / "leftImg8bit" / "train" / ".DS_Store").write_text("x")
    (root / "leftImg8bit" / "train" / "licence.txt").write_text("x")
    (root / "leftImg8bit" / "train" / "ulm" / "Thumbs.db").write_text("x")
    assert len(open_source(options(root)).splits["train"]) == 2


def test_a_city_that_links_to_its_parent(root: Path) -> None:
    (root / "leftImg8bit" / "train" / "zz").symlink_to(root / "leftImg8bit" / "train")
    assert len(open_source(options(root)).splits["train"]) == 2


def test_archives_are_not_unpacked(tmp_path: Path) -> None:
    for name in ("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip"):
        (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(InputError, match="leftImg8bit/train: no such folder; data.root .* unpacked"):
        open_source(options(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2


def test_mistakes_name_the_file(root: Path) -> None:
    label = root / "gtFine" / "train" / "ulm" / "ulm_000001_000019_gtFine_labelIds.png"
    Image.fromarray(np.full((40, 56), 34, np.uint8)).save(label)
    with pytest.raises(
        InputError, match=r"ulm_000001_000019_gtFine_labelIds\.png: value 34 is no class; labels are the official ids"
    ):
        load(options(root))
    label.rename(label.with_name("ulm_000001_000019_gtFine_labelTrainIds.png"))
    with pytest.raises(
        InputError,
        match=r"ulm_000001_000019_leftImg8bit\.png: its label .*ulm/ulm_000001_000019_gtFine_labelIds\.png is missing",
    ):
        load(options(root))


def test_root_from_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYSCAPES_DATASET", str(root))
    assert len(open_source(DataOptions(name="cityscapes")).splits["val"]) == 1


def labels(root: Path) -> list[Path]:
    return sorted((root / "gtFine").glob("*/*/*_labelIds.png"))


def rename(root: Path, end: str) -> None:
    for path in labels(root):
        path.rename(path.with_name(path.name.replace("labelIds", end)))


def test_train_ids_are_used_where_only_they_are_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = load(options(root))
    assert capsys.readouterr().err == ""
    for path in labels(root):
        values = np.asarray(Image.open(path))
        Image.fromarray(np.vectorize(lambda value: OFFICIAL.get(value, IGNORE))(values).astype(np.uint8)).save(path)
    rename(root, "labelTrainIds")
    found = load(options(root))
    assert (found.train.labels == expected.train.labels).all() and (found.val.labels == expected.val.labels).all()
    assert "labels of train are read by train ids (*_gtFine_labelTrainIds.png)" in capsys.readouterr().err
    remarks = open_source(options(root)).problems
    assert [(one.kind, one.stops) for one in remarks] == 2 * [("train ids", False)]


@pytest.mark.parametrize("values", [(0, 13, 255), (255,), (0, 1, 2, 8, 10, 13, 18, 255)])
def test_train_ids_under_the_name_of_label_ids(root: Path, values: tuple[int, ...]) -> None:
    Image.fromarray(np.resize(np.array(values, np.uint8), (40, 56))).save(labels(root)[0])
    with pytest.raises(InputError, match=r"_labelIds\.png: holds train ids, not label ids: 255 never stands in"):
        load(options(root))


def test_255_among_label_ids_is_ignored(root: Path) -> None:
    Image.fromarray(np.resize(np.array([7, 23, 26, 255], np.uint8), (40, 56))).save(labels(root)[0])
    assert set(load(options(root)).train.labels[0].unique().tolist()) == {0, 10, 13, 255}


def test_labels_that_fit_both_kinds(root: Path) -> None:
    for path in labels(root):
        Image.fromarray(np.resize(np.array([0, 1, 2, 8, 10, 13], np.uint8), (40, 56))).save(path)
    with pytest.raises(InputError, match=r"gtFine/train: labels seem to be train ids, not label ids: .* 67 %.*rename"):
        open_source(options(root))
    for path in labels(root):
        Image.fromarray(np.resize(np.array([7, 8, 11, 4], np.uint8), (40, 56))).save(path)
    words = "labels of train are read as label ids, as they are named; train ids would fit too, for none is above 18"
    assert open_source(options(root)).problems == () and open_source(options(root)).reading.startswith(words)
    Image.fromarray(np.full((40, 56), 23, np.uint8)).save(labels(root)[0])
    assert open_source(options(root)).reading == words.replace("train are", "val are")


def test_label_ids_under_the_name_of_train_ids_that_fit_both_kinds(root: Path) -> None:
    for path in labels(root):
        Image.fromarray(np.resize(np.array([7, 8, 11, 17], np.uint8), (40, 56))).save(path)
    rename(root, "labelTrainIds")
    with pytest.raises(
        InputError, match=r"gtFine/train: labels seem to be label ids, not train ids: .* 0 % of the pix"
    ):
        load(options(root))


def test_label_ids_under_the_name_of_train_ids(root: Path) -> None:
    rename(root, "labelTrainIds")
    with pytest.raises(InputError, match=r"value \d+ is no class .*; labels are train ids \(\*_gtFine_labelTrainIds"):
        load(options(root))


def test_colours_alone_are_named_once(root: Path) -> None:
    for path in labels(root):
        path.unlink()
    with pytest.raises(InputError, match=r"gtFine/train: holds \*_gtFine_color\.png and no \*_gtFine_labelIds\.png"):
        load(options(root))


@pytest.mark.parametrize("content", ["RGBA", "I;16"])
def test_another_kind_under_the_name_of_label_ids(root: Path, content: str) -> None:
    """A copy of ``color`` or of ``instanceIds``."""
    Image.new(content, (56, 40)).convert(content).save(labels(root)[0])
    if content == "RGBA":
        Image.new("RGBA", (56, 40), (128, 64, 128, 255)).save(labels(root)[0])
    with pytest.raises(
        InputError, match=r"_labelIds\.png: a label must be a single-channel 8-bit PNG.*\*_gtFine_labelIds"
    ):
        load(options(root))


@pytest.mark.parametrize("other", ["labelTrainIds", "color"])
def test_another_kind_of_label_is_not_to_be_renamed(root: Path, other: str) -> None:
    label = next((root / "gtFine" / "train" / "ulm").glob("*_labelIds.png"))
    for path in label.parent.glob("*_gtFine_*"):
        if path != label:
            path.unlink()
    label.rename(label.with_name(label.name.replace("labelIds", other)))
    with pytest.raises(InputError, match=f"_gtFine_{other}.png lies there, which holds other values.*do not rename"):
        load(options(root))
