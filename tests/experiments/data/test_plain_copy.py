"""A data set written in the plain layout is read back as it was, whatever its classes are called."""

from pathlib import Path

import numpy as np
import pytest

from experiments.data import open_source
from experiments.data.files import Array, DataError
from experiments.data.plain_copy import write_plain
from experiments.data.source import DataSource, Sample
from experiments.options.groups import IGNORE, DataOptions

CLASSES = ("void", "a, b", "ignored", 'say "no"', "white")
COLOURS = ((0, 0, 0), (1, 1, 1), (2, 2, 2), (9, 8, 7), (255, 255, 255))


def generated(seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 6, (20, 30)).astype(np.uint8)
    label[label == 5] = IGNORE
    return rng.integers(0, 256, (20, 30, 3), dtype=np.uint8), label


def source_of(**more: object) -> DataSource:
    samples = {
        split: [Sample(f"{split}.{i}", None, None, lambda seed=10 * start + i: generated(seed)) for i in range(3)]  # type: ignore[misc]
        for start, split in enumerate(("train", "val"))
    }
    return DataSource("made", CLASSES, COLOURS, samples, **more)  # type: ignore[arg-type]


def test_it_is_read_back(tmp_path: Path) -> None:
    source = source_of()
    assert write_plain(source, tmp_path / "plain") == {"train": 3, "val": 3}
    again = open_source(DataOptions(name="folder", root=str(tmp_path / "plain")))
    assert (again.classes, again.colours, again.problems) == (CLASSES, COLOURS, ())
    for split, samples in source.splits.items():
        for one, two in zip(samples, again.splits[split], strict=True):
            assert one.name == two.name
            assert all((a == b).all() for a, b in zip(one.read(), two.read(), strict=True))


def test_nothing_is_left_of_one_that_fails(tmp_path: Path) -> None:
    def fail() -> tuple[Array, Array]:
        raise DataError("unreadable", None, "b.png: not an image")

    source = source_of()
    source.splits["val"][1] = Sample("b", None, None, fail)  # type: ignore[index]
    with pytest.raises(DataError, match="b.png"):
        write_plain(source, tmp_path / "plain")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_somebody_has_made_meanwhile_is_kept(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "mine").write_text("kept")
    with pytest.raises(OSError):
        write_plain(source_of(), tmp_path / "plain")
    assert [path.name for path in tmp_path.rglob("*")] == ["plain", "mine"]
