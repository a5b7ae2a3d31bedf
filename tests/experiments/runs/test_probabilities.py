"""The file of a search's probabilities: what is written is read, and what is no such file is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments.runs import probabilities
from experiments.runs.probabilities import PROBABILITIES, read_probabilities, thinned, write_probabilities
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


@pytest.mark.parametrize("most", [1, 2, 3, 10, 100])
def test_a_long_history_is_bounded(
    most: int, tiny: Callable[..., SpaceConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs at equal distances and the last one, the same whether a search was resumed or not."""
    one = uniform(tiny())
    monkeypatch.setattr(probabilities, "MOST_NUMBERS", most * sum(level.numel() for level in one))
    history: dict[int, Probabilities] = {}
    for epoch in range(1, 41):
        history = thinned({**history, epoch: one})
        assert len(history) <= max(most, 2) and max(history) == epoch
        assert list(thinned(history)) == list(history) == list(thinned(dict.fromkeys(range(1, epoch + 1), one)))
    expected = {1: [32, 40], 2: [32, 40], 3: [16, 32, 40], 10: [*range(4, 41, 4)], 100: [*range(1, 41)]}
    assert list(history) == expected[most]


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
