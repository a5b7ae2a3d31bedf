"""The landscapes that come with the package are read by their names."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from experiments.landscape import shipped
from experiments.landscape.options import LandscapeOptions, check_landscape
from experiments.landscape.plan import planned_networks
from experiments.landscape.shipped import FOLDER, shipped_names
from experiments.landscape.table import HAND_MADE, read_landscape
from experiments.options.arguments import parse
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

PART = ("dilation", "pooling")


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_landscape_is_read_by_its_name(name: str) -> None:
    landscape = read_landscape(name)
    assert landscape.name == name and set(HAND_MADE) <= {row.name for row in landscape.rows}
    assert {row.seed for row in landscape.rows} <= set(landscape.facts["seeds"])


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_landscape_was_made_by_the_configuration_of_its_name(name: str) -> None:
    config = FOLDER.parent / "configs" / "landscapes" / f"{name}.yml"
    options, _ = parse("ssr-nas landscape", "", LandscapeOptions, [f"--config={config}"])
    check_landscape(options)
    landscape = read_landscape(name)
    assert options.space.resolve() == landscape.space and options.data.name == landscape.facts["data"]["name"]
    assert (options.data.size, options.network_count) == (landscape.facts["resolution"], landscape.facts["networks"])
    recipe = landscape.facts["recipe"]
    assert (options.epochs, options.stages, asdict(options.train)) == tuple(
        recipe[key] for key in ("epochs", "stages", "train")
    )
    trained = {(row.name, row.seed) for row in landscape.rows}
    assert trained == {(network, seed) for network in planned_networks(options) for seed in options.seed_list}
    assert planned_networks(options) == {row.name: row.architecture for row in landscape.rows}


def test_the_streets_know_their_space() -> None:
    """Two seeds agree, and the predictor knows networks that it has not seen."""
    facts = read_landscape("streets").facts["summary"]
    assert facts["trained"] >= 100 and facts["seed_correlation"] > 0.8 and facts["predictor_correlation"] > 0.8


def test_a_name_is_the_packages_and_a_path_is_what_is_here(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny: Callable[..., SpaceConfig],
    write_landscape: Callable[..., Path],
) -> None:
    write_landscape(tmp_path / "package" / "hills.csv", tiny(PART), count=3)
    write_landscape(tmp_path / "hills" / "landscape.csv", tiny(PART), count=5)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"hills is here and comes with the package; give \./hills, or .*hills\.csv$"):
        read_landscape("hills")
    assert len(read_landscape("./hills").rows) == 2 * 7
    assert len(read_landscape(tmp_path / "package" / "hills.csv").rows) == 2 * 5
    (tmp_path / "hills" / "landscape.csv").unlink()  # another folder of that name
    assert len(read_landscape("hills").rows) == 2 * 5
    with pytest.raises(InputError, match=r"valleys: no such file; .*comes with the package \(hills\)"):
        read_landscape("valleys")
