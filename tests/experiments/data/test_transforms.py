import pytest
import torch
from torch import Tensor

from experiments.data.transforms import (
    MAX_SHIFT,
    Augmentation,
    augment,
    downsample_labels,
    draw_augmentation,
    normalise,
)
from experiments.options.groups import IGNORE


def paired(count: int = 3, height: int = 9, width: int = 11) -> tuple[Tensor, Tensor]:
    """Images whose every channel equals the label, so that one shows whether both moved alike."""
    labels = (torch.arange(count * height * width) % 200).to(torch.uint8).view(count, height, width)
    return labels[:, None].repeat(1, 3, 1, 1), labels


def reference(label: Tensor, flip: bool, down: int, right: int) -> Tensor:
    """One label, pixel by pixel."""
    height, width = label.shape
    source = label.flip(1) if flip else label
    out = torch.full_like(label, IGNORE)
    for y in range(height):
        for x in range(width):
            if 0 <= y - down < height and 0 <= x - right < width:
                out[y, x] = source[y - down, x - right]
    return out


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-2, 2), (1, 0)])
def test_augment_moves_image_and_label_together(flip: bool, shift: tuple[int, int]) -> None:
    images, labels = paired(1)
    moved, target = augment(images, labels, Augmentation(torch.tensor([flip]), torch.tensor([shift])))
    assert torch.equal(target[0], reference(labels[0], flip, *shift))
    kept = target != IGNORE
    assert all(torch.equal(moved[:, channel][kept], target[kept]) for channel in range(3))
    assert moved.shape == images.shape and moved.dtype == torch.uint8


def test_uncovered_strip_repeats_the_border() -> None:
    images, labels = paired(1)
    moved, target = augment(images, labels, Augmentation(torch.tensor([False]), torch.tensor([[2, 0]])))
    assert (target[0, :2] == IGNORE).all() and (target[0, 2:] != IGNORE).all()
    assert torch.equal(moved[0, :, 0], images[0, :, 0]) and torch.equal(moved[0, :, 1], images[0, :, 0])


def test_images_of_a_batch_move_independently_and_sources_stay() -> None:
    images, labels = paired()
    before = images.clone(), labels.clone()
    augmentation = Augmentation(torch.tensor([True, False, True]), torch.tensor([[0, 0], [1, 1], [-2, 0]]))
    _, target = augment(images, labels, augmentation)
    for i in range(3):
        assert torch.equal(target[i], reference(labels[i], bool(augmentation.flip[i]), *augmentation.shift[i].tolist()))
    assert torch.equal(images, before[0]) and torch.equal(labels, before[1])


def test_drawn_augmentations_cover_their_range() -> None:
    flip, shift = draw_augmentation(2000, torch.Generator().manual_seed(0))
    assert 0.45 < flip.float().mean() < 0.55
    assert sorted(shift.unique().tolist()) == list(range(-MAX_SHIFT, MAX_SHIFT + 1))


def test_normalise_range_and_source() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8)
    out = normalise(images)
    assert out.dtype == torch.float32 and images.tolist() == [0, 51, 255]
    torch.testing.assert_close(out, (torch.tensor([0.0, 51.0, 255.0]) / 255 - 0.5) / 0.25)


@pytest.mark.parametrize(
    ("size", "stride", "picked"),
    [(16, 8, [4, 12]), (17, 8, [4, 12, 16]), (20, 8, [4, 12, 18]), (33, 8, [4, 12, 20, 28, 32]), (3, 1, [0, 1, 2])],
)
def test_downsample_takes_centres(size: int, stride: int, picked: list[int]) -> None:
    labels = torch.arange(size, dtype=torch.uint8).view(1, size, 1).expand(1, size, size)
    out = downsample_labels(labels, stride)
    assert out.dtype == torch.int64 and out.shape == (1, len(picked), len(picked))
    assert out[0, :, 0].tolist() == picked
    assert downsample_labels(labels.transpose(1, 2), stride)[0, 0].tolist() == picked
