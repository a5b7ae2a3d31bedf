"""Views of images: what they show is what the label says, at any scale, and the same again after a resume."""

import pytest
import torch
from torch import Tensor

from experiments.data.crops import GREY, JITTER, SCALES, CropStream, View, cut, draw_views
from experiments.data.dataset import Split

PLAIN = (1.0, 1.0, 1.0)


def noise(count: int = 6, height: int = 40, width: int = 56) -> Split:
    images = torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(0)).to(
        torch.uint8
    )
    return Split(images, images[:, 0] % 5, tuple(map(str, range(count))))


def same(a: list[tuple[Tensor, Tensor]], b: list[tuple[Tensor, Tensor]]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x, y) for one, two in zip(a, b, strict=True) for x, y in zip(one, two, strict=True)
    )


def test_the_whole_image_is_itself() -> None:
    split = noise()
    image, label = cut(split.images[0], split.labels[0], View(0, 0, 40, 56, False, PLAIN), (40, 56))
    assert torch.equal(image, split.images[0]) and torch.equal(label, split.labels[0])


def test_a_flip_mirrors_both() -> None:
    split = noise()
    image, label = cut(split.images[0], split.labels[0], View(3, 5, 32, 40, True, PLAIN), (32, 40))
    assert torch.equal(image, split.images[0, :, 3:35, 5:45].flip(-1)) and torch.equal(
        label, split.labels[0, 3:35, 5:45].flip(-1)
    )


@pytest.mark.parametrize("jitter", [PLAIN, (1.2, 0.8, 1.1)])
def test_what_lies_outside_is_grey_and_ignored(jitter: tuple[float, float, float]) -> None:
    split = noise()
    image, label = cut(split.images[0], split.labels[0], View(-4, -8, 56, 80, False, jitter), (56, 80))
    inside = torch.zeros(56, 80, dtype=torch.bool)
    inside[4:44, 8:64] = True
    assert torch.equal(image[:, inside].reshape(3, 40, 56), split.images[0]) is (jitter == PLAIN)
    assert (image[:, ~inside] == GREY).all()
    assert torch.equal(label[inside].reshape(40, 56), split.labels[0]) and (label[~inside] == 255).all()


@pytest.mark.parametrize("region", [(20, 28), (40, 56), (52, 72)], ids=str)
def test_label_and_image_stay_together(region: tuple[int, int]) -> None:
    """Left half black and class 0, right half white and class 1: after scaling, both have the edge at one place."""
    image, label = torch.zeros(3, 40, 56, dtype=torch.uint8), torch.zeros(40, 56, dtype=torch.uint8)
    image[:, :, 28:], label[:, 28:] = 255, 1
    left = (56 - region[1]) // 2
    found, classes = cut(image, label, View((40 - region[0]) // 2, left, *region, False, PLAIN), (32, 48))
    valid = classes != 255
    sure = valid & ((found[0] < 100) | (found[0] > 155))
    assert torch.equal((found[0] > 127)[sure].to(torch.uint8), classes[sure]) and sure.sum() > 0.9 * valid.sum()


def test_the_draws_keep_to_their_bounds_and_fill_them() -> None:
    size, crop = (100, 200), (100, 200)
    views = draw_views(2000, size, crop, torch.Generator().manual_seed(1))
    scales = torch.tensor([crop[1] / view.width for view in views])
    assert scales.min() >= SCALES[0] - 0.01 and scales.max() <= SCALES[1] + 0.01
    assert scales.min() < SCALES[0] + 0.02 and scales.max() > SCALES[1] - 0.02
    for view in views:
        low, high = sorted((0, size[1] - view.width))
        assert low <= view.left <= high
    jitter = torch.tensor([view.jitter for view in views])
    assert jitter.min() >= 1 - JITTER and jitter.max() <= 1 + JITTER and jitter.std(0).min() > 0.15
    assert 0.45 < sum(view.flip for view in views) / len(views) < 0.55


@pytest.mark.parametrize(("stride", "label"), [(1, (32, 48)), (8, (4, 6))])
def test_shapes_types_and_an_epoch_is_a_permutation(stride: int, label: tuple[int, int]) -> None:
    batches = list(CropStream(noise(7), 2, seed=0, crop=(32, 48), label_stride=stride))
    assert len(batches) == 3
    for images, labels in batches:
        assert images.shape == (2, 3, 32, 48) and images.dtype == torch.float32 and images.abs().max() <= 2
        assert labels.shape == (2, *label) and labels.dtype == torch.int64


def test_a_resumed_run_repeats_exactly_and_epochs_differ() -> None:
    whole = CropStream(noise(), 3, seed=7, crop=(32, 48))
    epochs = []
    for epoch in range(3):
        whole.set_epoch(epoch)
        epochs.append(list(whole))
    torch.manual_seed(99)  # the global generator has no say
    resumed = CropStream(noise(), 3, seed=7, crop=(32, 48))
    resumed.set_epoch(2)
    assert same(list(resumed), epochs[2]) and not same(epochs[1], epochs[2])
    other = CropStream(noise(), 3, seed=8, crop=(32, 48))
    other.set_epoch(2)
    assert not same(list(other), epochs[2])


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    list(CropStream(noise(), 3, seed=7, crop=(32, 48)))
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_source_stays_as_it_is() -> None:
    split = noise()
    images, labels = split.images.clone(), split.labels.clone()
    for batch, target in CropStream(split, 3, 0, (40, 56), label_stride=1):
        batch.zero_()
        target.zero_()
    assert torch.equal(split.images, images) and torch.equal(split.labels, labels)


@pytest.mark.gpu
def test_a_split_on_the_gpu_stays_there() -> None:
    assert all(images.is_cuda and labels.is_cuda for images, labels in CropStream(noise().to("cuda"), 3, 0, (32, 48)))
