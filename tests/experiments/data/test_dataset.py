import pytest
import torch

from experiments.data import Split, load, split_halves
from experiments.options.groups import DataOptions
from nas_space.errors import InputError


def make_split(count: int = 6, height: int = 32, width: int = 40) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, height, width), generator=generator).to(torch.uint8)
    labels = torch.randint(0, 5, (count, height, width), generator=generator).to(torch.uint8)
    return Split(images, labels, tuple(f"n{i}" for i in range(count)))


def test_split_refuses_what_does_not_belong_together() -> None:
    split = make_split()
    with pytest.raises(ValueError, match="do not match"):
        Split(split.images, split.labels[:, :-1], split.names)
    with pytest.raises(ValueError, match="do not match"):
        Split(split.images, split.labels, split.names[1:])
    with pytest.raises(ValueError, match="uint8"):
        Split(split.images.float(), split.labels, split.names)


def test_subset_keeps_images_labels_and_names_together() -> None:
    split = make_split()
    part = split.subset([4, 1])
    assert part.names == ("n4", "n1") and len(part) == 2
    assert torch.equal(part.images[0], split.images[4]) and torch.equal(part.labels[1], split.labels[1])


@pytest.mark.parametrize(("fraction", "first"), [(0.5, 3), (0.01, 1), (0.99, 5), (0.34, 2)])
def test_halves_are_disjoint_and_complete(fraction: float, first: int) -> None:
    split = make_split()
    a, b = split_halves(split, fraction, seed=3)
    assert len(a) == first and len(b) == len(split) - first
    assert set(a.names) | set(b.names) == set(split.names)
    assert a.names == split_halves(split, fraction, seed=3)[0].names


def test_halves_depend_on_the_seed_and_refuse_nonsense() -> None:
    split = make_split(20)
    assert len({split_halves(split, 0.5, seed)[0].names for seed in range(5)}) > 1
    for fraction in (0.0, 1.0, -1.0):
        with pytest.raises(ValueError, match="fraction"):
            split_halves(split, fraction, 0)
    with pytest.raises(ValueError, match="two images"):
        split_halves(make_split(1), 0.5, 0)


def test_load_refuses_unknown_names_and_limits() -> None:
    with pytest.raises(InputError, match="'kitti'; choose from streets, camvid"):
        load(DataOptions(name="kitti"))
    with pytest.raises(InputError, match="data.limit: 0"):
        load(DataOptions(limit=0))
    with pytest.raises(InputError, match="HEIGHTxWIDTH"):
        load(DataOptions(size="96"))


def test_load_streets() -> None:
    data = load(DataOptions(name="streets", size="32x48", limit=3))
    assert data.name == "streets" and len(data.train) == 3 and len(data.val) == 3
    assert data.train.images.shape == (3, 3, 32, 48) and len(data.classes) == len(data.colours)
