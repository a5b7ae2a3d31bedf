"""The networks of the package are known by name from any folder."""

from pathlib import Path

import pytest

from experiments.cli import main
from experiments.race.entrants import find_entrants
from experiments.runs.shipped import find_network, shipped_networks
from nas_space.architecture import Architecture


def test_space_and_race_know_them_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = shipped_networks()
    for name in names:
        assert main(["space", "--arch", name]) == 0
    entrants = find_entrants(names, Architecture.load)
    expected = [Architecture.load(find_network(name) / "architecture.json") for name in names]
    assert [entrant.architecture for entrant in entrants] == expected
