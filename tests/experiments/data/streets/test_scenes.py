import numpy as np
import pytest
import torch

from experiments.data import SegmentationData, load
from experiments.data.streets.palette import CLASSES
from experiments.data.streets.scenes import COLOURS, TRAIN, VAL, render_scene
from experiments.options.groups import DataOptions

FEW = 100


def load_streets(size: tuple[int, int], limit: int) -> SegmentationData:
    return load(DataOptions(size="{}x{}".format(*size), limit=limit))


@pytest.fixture(scope="module")
def data() -> SegmentationData:
    return load_streets((48, 64), limit=FEW)


def test_counts_types_and_names(data: SegmentationData) -> None:
    assert FEW < TRAIN
    assert (len(data.train), len(data.val)) == (FEW, VAL) and len(CLASSES) == len(COLOURS) == len(set(COLOURS))
    assert data.train.images.shape == (FEW, 3, 48, 64) and data.train.images.is_contiguous()
    assert not set(data.train.names) & set(data.val.names)


def test_scenes_are_deterministic_and_limits_take_the_first(data: SegmentationData) -> None:
    few = load_streets((48, 64), limit=4)
    assert len(few.train) == len(few.val) == 4
    assert torch.equal(few.train.images, data.train.images[:4]) and torch.equal(few.val.labels, data.val.labels[:4])
    assert len(load_streets((32, 32), limit=10).train) == 10


def test_no_scene_occurs_twice(data: SegmentationData) -> None:
    scenes = torch.cat([data.train.images, data.val.images]).flatten(1)
    assert len(scenes.unique(dim=0)) == FEW + VAL


def test_every_class_is_common_enough(data: SegmentationData) -> None:
    for split in (data.train, data.val):
        labels = split.labels.flatten(1)
        assert int(labels.max()) < len(CLASSES)
        for index, name in enumerate(CLASSES):
            here = labels == index
            assert here.float().mean() > 0.01, name
            assert here.any(1).float().mean() > 0.6, name


@pytest.mark.parametrize("other", ["sky", "building", "pavement"])
def test_brightness_does_not_tell_road_from_other_surfaces(data: SegmentationData, other: str) -> None:
    """The road is about as often lighter as darker than the other surface, or differs by less than scenes do."""
    road = CLASSES.index("road")
    differences, roads = [], []
    for image, label in zip(data.train.images.float().mean(1), data.train.labels, strict=True):
        one, two = image[label == road], image[label == CLASSES.index(other)]
        if len(one) > 50 and len(two) > 50:
            differences.append(float(one.median() - two.median()))
            roads.append(float(one.median()))
    assert len(differences) > FEW / 2
    assert abs(np.median(differences)) < 0.5 * np.std(roads)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (32, 200), (150, 40)])
def test_any_size(size: tuple[int, int]) -> None:
    image, label = render_scene("val", 5, size)
    assert image.shape == (*size, 3) and label.shape == size and image.dtype == label.dtype == np.uint8
    assert image.std() > 3 and len(np.unique(label)) > 2
