import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from experiments.data.frequency import class_frequencies, class_weights
from experiments.data.transforms import downsample_labels


def test_weights_follow_the_formula_and_skip_ignored_pixels() -> None:
    labels = torch.tensor([[[0, 0, 0, 1], [255, 255, 255, 255]]], dtype=torch.uint8)
    assert class_frequencies(labels, 3).tolist() == [0.75, 0.25, 0.0]
    expected = torch.tensor([1 / math.log(1.2 + f) for f in (0.75, 0.25, 0.0)])
    torch.testing.assert_close(class_weights(labels, 3), expected)
    torch.testing.assert_close(class_weights(labels.long(), 3, k=1.02)[2], torch.tensor(1 / math.log(1.02)))


def test_all_ignored_is_finite() -> None:
    weights = class_weights(torch.full((1, 4, 4), 255), 2)
    assert weights.dtype == torch.float32 and torch.isfinite(weights).all()


class Largest(TorchDispatchMode):
    """Notes the bytes of the largest tensor that any operation gives."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for one in result if isinstance(result, tuple | list) else (result,):
            if isinstance(one, Tensor):
                self.bytes = max(self.bytes, one.numel() * one.element_size())
        return result


def random_labels(count: int) -> Tensor:
    labels = torch.randint(0, 6, (count, 24, 36))
    return torch.where(labels == 5, 255, labels).to(torch.uint8)


@pytest.mark.parametrize("stride", [1, 8])
@pytest.mark.parametrize("count", [1, 16, 50])
def test_weights_are_those_of_all_labels_at_once(count: int, stride: int) -> None:
    labels = random_labels(count)
    small = downsample_labels(labels, stride)
    counts = torch.bincount(small[small != 255].long(), minlength=5).float()
    expected = 1 / torch.log(1.1 + counts / counts.sum().clamp(min=1))
    assert torch.equal(class_weights(labels, 5, 1.1, stride), expected)


@pytest.mark.parametrize("stride", [1, 8])
def test_many_labels_take_no_more_memory_than_a_few(stride: int) -> None:
    """Cityscapes at 512x1024 has 1.6 GB of labels: as int64, with the indices of a mask, they would be tens."""
    largest = []
    for count in (32, 512):
        labels = random_labels(count)
        with Largest() as mode:
            class_weights(labels, 5, 1.1, stride)
        largest.append(mode.bytes)
    assert largest[0] == largest[1]
