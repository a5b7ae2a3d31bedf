"""The landscapes that come with the package are read by their names."""

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.landscape import shipped
from experiments.landscape.shipped import shipped_names
from experiments.landscape.table import HAND_MADE, read_landscape
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

PART = ("dilation", "pooling")


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_landscape_is_read_by_its_name(name: str) -> None:
    landscape = read_landscape(name)
    assert landscape.name == name and set(HAND_MADE) <= {row.name for row in landscape.rows}
    assert {row.seed for row in landscape.rows} <= set(landscape.facts["seeds"])


def test_a_name_wins_and_a_path_is_given_as_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny: Callable[..., SpaceConfig],
    write_landscape: Callable[..., Path],
) -> None:
    write_landscape(tmp_path / "package" / "hills.csv", tiny(PART), count=3)
    write_landscape(tmp_path / "hills" / "landscape.csv", tiny(PART), count=5)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    assert len(read_landscape("hills").rows) == 2 * 5
    assert len(read_landscape("./hills").rows) == 2 * 7
    with pytest.raises(InputError, match=r"valleys: no such file; .*comes with the package \(hills\)"):
        read_landscape("valleys")
