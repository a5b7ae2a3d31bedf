from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.data.dataset import LabelCounts
from experiments.data.files import Array
from experiments.data.memory import resize_label
from experiments.data.presence import (
    absent_classes,
    count_values,
    covered_classes,
    keeping_size,
    left,
    marks,
    stack,
    vanishing_classes,
)
from experiments.data.source import DataSource, Sample
from experiments.data.transforms import downsample_labels
from experiments.options.groups import DataOptions


def source(labels: list[Array]) -> DataSource:
    def made(label: Array) -> Sample:
        return Sample("a", Path("a"), Path("a"), lambda: (np.zeros((*label.shape, 3), np.uint8), label))

    samples = [made(label) for label in labels]
    colours = ((0, 0, 0), (1, 1, 1))
    return DataSource(
        "made", ("soil", "plant"), colours, {"train": samples, "val": samples}, values=("value 7", "value 9")
    )


def counts(labels: list[Array], size: tuple[int, int] = (32, 40)) -> LabelCounts:
    return stack(marks(label, size) for label in labels)


def dot(height: int = 320, width: int = 400, marked: int = 1) -> Array:
    label = np.zeros((height, width), np.uint8)
    label[101 : 101 + marked, 203 : 203 + marked] = 1
    return label


def trained_on(label: Array, size: tuple[int, int], stride: int = 1) -> Array:
    """What a training sees of a label."""
    resized = resize_label(label, size)
    return resized if stride == 1 else np.asarray(downsample_labels(torch.from_numpy(resized)[None], stride)[0])


def of(*values: int) -> Array:
    return np.resize(np.array(values, np.uint8), (32, 40))


@pytest.mark.parametrize("size", [(32, 40), (37, 45), (96, 128), (250, 330), (400, 700)])
def test_sampling_is_that_of_training(size: tuple[int, int]) -> None:
    label = np.random.default_rng(0).integers(0, 255, (241, 319), dtype=np.uint8)
    for stride in (1, 8):
        trained, remaining = trained_on(label, size, stride), left(label, size, stride)
        assert (np.unique(remaining) == np.unique(trained)).all()
        if size < label.shape:  # nothing is repeated
            assert (remaining == trained).all()
    assert left(label, (65000, 65000)).shape == label.shape  # no matter how large


def test_counts() -> None:
    label = np.random.default_rng(0).integers(0, 256, (30, 41), dtype=np.uint8)
    assert (count_values(label) == np.bincount(label.ravel(), minlength=256)).all()
    assert (count_values(np.asfortranarray(label)[:, ::2]) == np.bincount(label[:, ::2].ravel(), minlength=256)).all()


def test_an_absent_class_is_told_with_its_value_and_stops() -> None:
    labels = [of(0, 255)]
    (problem,) = absent_classes(source(labels), "train", counts(labels), DataOptions())
    assert problem.stops and "class plant (value 9) never occurs" in str(problem)
    assert "50 % of the pixels are ignored (255" in str(problem) and "--data.allow_absent true" in str(problem)
    for options in (DataOptions(allow_absent=True), DataOptions(limit=1)):
        (problem,) = absent_classes(source(labels), "train", counts(labels), options)
        assert not problem.stops
    (problem,) = absent_classes(source(labels), "val", counts(labels), DataOptions())
    assert not problem.stops
    assert absent_classes(source(labels), "train", counts([of(0, 1)]), DataOptions()) == []
    assert absent_classes(source(labels), "train", counts([of(255)]), DataOptions()) == []  # no label at all


def test_ignored_pixels_that_take_turns_with_a_class() -> None:
    labels = [of(0, 1), of(0, 1), of(0, 255), of(0, 255)]
    (problem,) = covered_classes(source(labels), "train", counts(labels))
    assert "class plant (value 9)" in str(problem) and "never both" in str(problem) and not problem.stops
    assert covered_classes(source(labels), "train", counts([*labels, of(1, 255)])) == []  # they meet
    assert covered_classes(source(labels), "train", counts([of(0, 1), of(0, 255)])) == []  # too few to tell


def test_a_class_that_vanishes_is_told_with_the_size_that_keeps_it() -> None:
    labels = [dot()]
    found = vanishing_classes(source(labels), counts(labels), DataOptions(size="32x40"), (1, 8))
    assert [problem.stops for problem in found] == [True, False]
    for problem, stride in zip(found, (1, 8), strict=True):
        size = str(problem).partition("--data.size ")[2].split()[0]
        height, width = map(int, size.split("x"))
        assert (trained_on(labels[0], (height, width), stride) == 1).any()
    allowed = vanishing_classes(source(labels), counts(labels), DataOptions(size="32x40", allow_absent=True), (1,))
    assert [problem.stops for problem in allowed] == [False]
    large = [dot(marked=90)]
    assert vanishing_classes(source(large), counts(large), DataOptions(size="32x40"), (1, 8)) == []


def test_the_size_that_keeps_half_of_the_labels() -> None:
    labels = [dot(), dot(marked=90)]
    assert keeping_size(labels, 1, (32, 40)) == (32, 40)
    size = keeping_size([dot(), dot()], 1, (32, 40))
    assert size is not None and size > (32, 40) and (trained_on(dot(), size) == 1).any()
    assert keeping_size([of(0)], 1, (32, 40)) is None
