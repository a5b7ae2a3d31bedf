import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from experiments.data.dataset import Split
from experiments.data.streams import ARCHITECTURE, WEIGHTS, BatchStream, val_stream
from experiments.data.transforms import downsample_labels, normalise


def split_of(count: int, height: int = 33, width: int = 47) -> Split:
    """Every pixel of image i is i, so that a batch tells its order; labels are i too."""
    value = torch.arange(count, dtype=torch.uint8)
    images = value.view(-1, 1, 1, 1).expand(count, 3, height, width).contiguous()
    return Split(images, value.view(-1, 1, 1).expand(count, height, width).contiguous(), tuple(map(str, range(count))))


def order(stream: BatchStream) -> list[int]:
    return [round(float((image[0, 20, 20] + 2) * 255 / 4)) for images, _ in stream for image in images]


def same(a: list[tuple[Tensor, Tensor]], b: list[tuple[Tensor, Tensor]]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x, y) for one, two in zip(a, b, strict=True) for x, y in zip(one, two, strict=True)
    )


def test_shapes_types_and_odd_sizes() -> None:
    stream = BatchStream(split_of(10), 4, seed=0, stream=WEIGHTS)
    batches = list(stream)
    assert len(batches) == len(stream) == 2
    for images, labels in batches:
        assert images.shape == (4, 3, 33, 47) and images.dtype == torch.float32
        assert labels.shape == (4, 5, 6) and labels.dtype == torch.int64


def test_an_epoch_is_a_permutation_and_changes_with_the_epoch() -> None:
    stream = BatchStream(split_of(12), 4, seed=0, stream=WEIGHTS)
    first = order(stream)
    assert sorted(first) == list(range(12)) and first == order(stream)
    stream.set_epoch(1)
    assert sorted(order(stream)) == list(range(12)) and order(stream) != first


def test_a_resumed_run_repeats_exactly() -> None:
    noise = torch.randint(0, 256, (12, 3, 32, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    split = Split(noise, noise[:, 0] % 5, tuple(map(str, range(12))))
    whole = BatchStream(split, 4, seed=7, stream=ARCHITECTURE)
    epochs = []
    for epoch in range(3):
        whole.set_epoch(epoch)
        epochs.append(list(whole))
    torch.manual_seed(99)  # the global generator has no say
    resumed = BatchStream(split, 4, seed=7, stream=ARCHITECTURE)
    resumed.set_epoch(2)
    assert same(list(resumed), epochs[2]) and not same(epochs[1], epochs[2])


def test_streams_and_seeds_are_independent() -> None:
    orders = [
        tuple(order(BatchStream(split_of(30), 30, seed=s, stream=k))) for s in range(3) for k in (WEIGHTS, ARCHITECTURE)
    ]
    assert len(set(orders)) == 6


def test_incomplete_batches() -> None:
    assert len(BatchStream(split_of(10), 4, 0, WEIGHTS)) == 2
    only = BatchStream(split_of(3), 4, 0, WEIGHTS)
    assert len(only) == 1 and sorted(order(only)) == [0, 1, 2]
    assert order(val_stream(split_of(10), 4)) == list(range(10)) and len(val_stream(split_of(10), 4)) == 3


def test_validation_is_untouched() -> None:
    split = split_of(5)
    images, labels = next(iter(val_stream(split, 5, label_stride=1)))
    assert torch.equal(images, normalise(split.images)) and torch.equal(labels, downsample_labels(split.labels, 1))


def test_iterating_changes_nothing_at_the_source() -> None:
    split = split_of(8)
    images, labels = split.images.clone(), split.labels.clone()
    for batch, target in BatchStream(split, 4, 0, WEIGHTS):
        batch.zero_()
        target.zero_()
    assert torch.equal(split.images, images) and torch.equal(split.labels, labels)


def test_works_in_a_data_loader() -> None:
    stream = BatchStream(split_of(8), 4, 0, WEIGHTS)
    assert same(list(DataLoader(stream, batch_size=None)), list(stream))


@pytest.mark.parametrize(("count", "batch"), [(0, 4), (4, 0)])
def test_no_batches(count: int, batch: int) -> None:
    with pytest.raises(ValueError, match="no batches"):
        BatchStream(split_of(count), batch, 0, WEIGHTS)


@pytest.mark.gpu
def test_a_split_on_the_gpu_gives_the_same_batches() -> None:
    split = split_of(12)
    for (a, b), (c, d) in zip(BatchStream(split, 4, 0, 0), BatchStream(split.to("cuda"), 4, 0, 0), strict=True):
        assert c.is_cuda and torch.equal(a, c.cpu()) and torch.equal(b, d.cpu())


@pytest.mark.parametrize("world", [2, 4])
def test_parts_make_up_the_batches_of_one_device(world: int) -> None:
    noise = torch.randint(0, 256, (18, 3, 32, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    split = Split(noise, noise[:, 0] % 5, tuple(map(str, range(18))))
    whole = BatchStream(split, 8, seed=3, stream=ARCHITECTURE)
    parts = [BatchStream(split, 8, seed=3, stream=ARCHITECTURE, rank=rank, world=world) for rank in range(world)]
    for stream in (whole, *parts):
        stream.set_epoch(5)
    joined = [tuple(torch.cat(tensors) for tensors in zip(*step, strict=True)) for step in zip(*parts, strict=True)]
    assert len(joined) == len(whole) == len(parts[0]) == 2
    assert same(joined, list(whole))  # type: ignore[arg-type]
    assert same(list(parts[1].whole()), list(whole)) and parts[1].rank == 1


@pytest.mark.parametrize(("count", "batch", "shuffle"), [(3, 4, True), (8, 5, True), (8, 4, False)])
def test_no_equal_parts(count: int, batch: int, shuffle: bool) -> None:
    with pytest.raises(ValueError, match="no 2 equal parts"):
        BatchStream(split_of(count), batch, 0, WEIGHTS, shuffle=shuffle, world=2)
