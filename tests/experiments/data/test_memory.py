from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from experiments.data import load, memory, open_source
from experiments.data.memory import check_memory, read_source, resize_image, resize_label
from experiments.options.groups import DataOptions
from nas_space.errors import InputError


def test_what_cannot_fit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(
        InputError, match=r"data: 320 images of 60000x60000 take 4608\.0 GB .* smaller --data\.size, or a --data\.limit"
    ):
        load(DataOptions(size="60000x60000"))


def test_three_channels_and_a_label_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(DataOptions(limit=5))
    for free, fits in ((10 * 32 * 48 * 4, True), (10 * 32 * 48 * 4 - 1, False)):
        monkeypatch.setattr(memory.psutil, "virtual_memory", lambda free=free: SimpleNamespace(available=free))
        if fits:
            check_memory(source, (32, 48))
            data = read_source(source, (32, 48))
            assert (
                sum(part.numel() for split in (data.train, data.val) for part in (split.images, split.labels)) == free
            )
        else:
            with pytest.raises(InputError, match="10 images of 32x48"):
                check_memory(source, (32, 48))


def test_reading_is_the_same_as_one_by_one(tmp_path: Path, write_folder: Callable[..., Path]) -> None:
    source = open_source(DataOptions(name="folder", root=str(write_folder(tmp_path, train=12))))
    data = read_source(source, (32, 60))
    assert data.train.images.is_contiguous()
    for index, sample in enumerate(source.splits["train"]):
        image, label = sample.read()
        assert (data.train.images[index].permute(1, 2, 0).numpy() == resize_image(image, (32, 60))).all()
        assert (data.train.labels[index].numpy() == resize_label(label, (32, 60))).all() and data.train.names[
            index
        ] == sample.name


@pytest.mark.parametrize("size", [(20, 28), (80, 112), (40, 56), (32, 88)])
def test_resizing(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 5, (40, 56)).astype(np.uint8)
    expected = torch.nn.functional.interpolate(torch.from_numpy(label)[None, None].float(), size, mode="nearest-exact")[
        0, 0
    ]
    assert (resize_label(label, size) == expected.numpy()).all()
    image = rng.integers(0, 255, (40, 56, 3)).astype(np.uint8)
    resized = resize_image(image, size)
    assert resized.shape == (*size, 3) and resized.dtype == np.uint8
    if size == (20, 28):
        blocks = image.reshape(20, 2, 28, 2, 3).mean((1, 3))
        assert np.abs(resized - blocks).max() <= 0.75
    elif size[0] >= 40:
        assert (resized == cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)).all()
