"""Both published layouts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.data import load, open_source
from experiments.data.sets.cityscapes import CLASSES
from experiments.options.groups import IGNORE, DataOptions
from nas_space.errors import InputError

LAYOUTS = {
    "official": ("images/10k/{split}/{name}.jpg", "labels/sem_seg/masks/{split}/{name}.png"),
    "older": ("seg/images/{split}/{name}.jpg", "seg/labels/{split}/{name}_train_id.png"),
}


@pytest.fixture(params=sorted(LAYOUTS))
def root(request: pytest.FixtureRequest, tmp_path: Path, write_pair: Callable[..., tuple[Path, Path]]) -> Path:
    for split, names in {"train": ("0004a4c0-d4dff0ad", "00054602-3bf57337"), "val": ("7d06fefd-f7be05a6",)}.items():
        for name in names:
            image, label = (tmp_path / place.format(split=split, name=name) for place in LAYOUTS[request.param])
            write_pair(image, label, (*range(19), IGNORE))
    (tmp_path / "labels" / "det_20").mkdir(parents=True)
    return tmp_path


def options(root: Path) -> DataOptions:
    return DataOptions(name="bdd100k", root=str(root), size="40x56")


def test_reads_both_layouts(root: Path) -> None:
    data = load(options(root))
    assert (
        data.train.names == ("0004a4c0-d4dff0ad", "00054602-3bf57337")
        and len(data.val) == 1
        and data.classes == CLASSES
    )
    _, label = open_source(options(root)).splits["val"][0].read()
    assert (label == np.resize(np.array([*range(19), IGNORE]), (40, 56))).all()


def test_mistakes_name_the_file(root: Path, write_pair: Callable[..., tuple[Path, Path]]) -> None:
    sample = open_source(options(root)).splits["train"][1]
    assert sample.image is not None and sample.label is not None
    write_pair(sample.image, sample.label, (0, 19))
    with pytest.raises(
        InputError, match=rf"{sample.label.name}: value 19 is no class; labels are the train ids 0 to 18"
    ):
        load(options(root))
    sample.label.unlink()
    with pytest.raises(InputError, match=rf"{sample.image.name}: its label .*{sample.label.name} is missing"):
        load(options(root))


def test_labels_that_fit_both_kinds_are_told(root: Path, write_pair: Callable[..., tuple[Path, Path]]) -> None:
    assert open_source(options(root)).reading == ""
    for sample in (one for part in open_source(options(root)).splits.values() for one in part):
        assert sample.image is not None and sample.label is not None
        write_pair(sample.image, sample.label, range(19))
    assert open_source(options(root)).reading.startswith("labels are read as train ids; they would fit label ids too")
    for sample in (one for part in open_source(options(root)).splits.values() for one in part):
        assert sample.image is not None and sample.label is not None
        write_pair(sample.image, sample.label, (7, 8, 11, 17))
    with pytest.raises(InputError, match="labels seem to be label ids, not train ids: .*; change them into train ids"):
        open_source(options(root))


def test_palettes_whose_greys_are_other_ids(root: Path) -> None:
    """The folder's rule."""
    sample = open_source(options(root)).splits["train"][0]
    assert sample.label is not None
    label = Image.open(sample.label)
    label.putpalette([value for grey in (*range(18, -1, -1), *[255] * 237) for value in (grey, grey, grey)])
    label.save(sample.label)
    with pytest.raises(
        InputError, match=r"its palette shows index \d+ as the grey \d+, which is an id too; save ids as"
    ):
        load(options(root))


def test_another_folder(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"images/10k/train: no such folder; data.root must hold images/10k/ .* or seg/images/"
    ):
        load(options(tmp_path))
