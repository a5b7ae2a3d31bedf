"""The file of a search's probabilities: what is written is read, and what is no such file is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments.search.probabilities import PROBABILITIES, read_probabilities, write_probabilities
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities
from strategies.alive import Alive


def uniform(space: SpaceConfig) -> Probabilities:
    return Probabilities(*(mask / mask.sum(-1, keepdim=True).clamp(min=1) for mask in Alive.full(space)))


def test_what_is_written_is_read(tmp_path: Path, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    assert read_probabilities(tmp_path, space) is None
    write_probabilities(tmp_path, [1, 2], [uniform(space), Probabilities(*(p / 2 for p in uniform(space)))])
    read = read_probabilities(tmp_path, space)
    assert read is not None and read[0].tolist() == [1, 2]
    for level, expected in zip(read[1], uniform(space), strict=True):
        torch.testing.assert_close(level, torch.stack((expected, expected / 2)).double())


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "more than 1", "another space"])
def test_a_damaged_file_is_named(damage: str, tmp_path: Path, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    more = Probabilities(*(p + (damage == "more than 1") for p in uniform(space)))
    write_probabilities(tmp_path, [1], [more])
    file = tmp_path / PROBABILITIES
    if damage in ("cut", "text", "empty"):
        file.write_bytes({"cut": file.read_bytes()[:-60], "text": b"epoch,miou\n", "empty": b""}[damage])
    with pytest.raises(InputError, match="probabilities.npz: .*; remove it, or search again"):
        read_probabilities(tmp_path, tiny(dilations=(1, 2)) if damage == "another space" else space)
