"""``ssr-nas space``: the numbers of the paper's space."""

import json
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main
from nas_space.architecture import Architecture, baseline1
from nas_space.config import SpaceConfig
from nas_space.cost import cost


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What ``--json`` prints on the last line."""
    assert main(["space", *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    result = json.loads(captured.out.splitlines()[-1])
    assert isinstance(result, dict)
    return result


def test_sizes_of_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    result = answer(capsys, "--preset", "paper")
    assert set(result) == {
        "choices",
        "architecture_parameters",
        "log10_supernet_configurations",
        "log10_networks",
        "entropy_nats",
    }
    assert (result["choices"], result["architecture_parameters"]) == (359, 3240)
    assert result["log10_supernet_configurations"] == pytest.approx(324.442, abs=5e-4)
    assert result["log10_networks"] == pytest.approx(49.445, abs=5e-4)
    assert result["entropy_nats"] == pytest.approx(789.42, abs=5e-3)


@pytest.mark.parametrize("name", ["baseline1", "baseline2"])
def test_baselines_of_the_paper(capsys: pytest.CaptureFixture[str], name: str) -> None:
    result = answer(capsys, "--arch", name, "--size", "512x1024")
    assert result["params"] == 961_807
    assert result["macs_conv"] == pytest.approx(11.063e9, abs=5e5)
    assert result["macs_total"] == pytest.approx(11.20e9, abs=5e6)
    assert result["size"] == "512x1024"


def test_people_see_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space"]) == 0
    text = capsys.readouterr().out
    for number in (
        "359",
        "3,240",
        "10^324.442",
        "10^49.445",
        "789.42 nats",
        "961,807",
        "11.063",
        "11.202",
        "baseline2",
    ):
        assert number in text


def test_any_subset_of_the_dimensions(capsys: pytest.CaptureFixture[str]) -> None:
    # 13 layers at the baseline's depth, one choice of five dilations in each.
    assert answer(capsys, "--space.search", "dilation") == {
        "choices": 13,
        "architecture_parameters": 65,
        "log10_supernet_configurations": pytest.approx(0.0),
        "log10_networks": pytest.approx(9.0866, abs=1e-4),
        "entropy_nats": pytest.approx(20.9227, abs=1e-4),
    }
    assert answer(capsys, "--space.search", "")["choices"] == 0


def test_network_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    architecture = Architecture.random(SpaceConfig.compact(), random.Random(0))
    (tmp_path / "architecture.json").write_text(architecture.to_json())
    result = answer(capsys, "--arch", str(tmp_path / "architecture.json"), "--size", "97x131", "--classes", "5")
    expected = cost(architecture, (97, 131), 5)
    assert result == {
        "params": expected.params,
        "macs_conv": expected.macs_conv,
        "macs_total": expected.macs_total,
        "size": "97x131",
    }


@pytest.mark.parametrize("stages", [3, 4])
def test_spaces_and_networks_of_more_stages(
    stages: int, tmp_path: Path, deep: Callable[..., SpaceConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    space, file = deep(stages), tmp_path / "architecture.json"
    file.write_text(baseline1(space).to_json())
    given = {key: value for key, value in asdict(space).items() if key != "search"}
    options = [word for key, value in given.items() for word in (f"--space.{key}", json.dumps(value))]
    assert answer(capsys, *options, "--size", "64x64")["choices"] == space.sizes()["choices"]
    expected = cost(baseline1(space), (64, 96), 19).params
    assert answer(capsys, "--arch", str(file), "--size", "64x96")["params"] == expected
    if stages == 4:  # what is given is a network: the space is another
        assert main(["space", "--arch", str(file), "--size", "32x96"]) == 2
        assert "size: 32x96: both sides must be at least 64 pixels for 4 stages" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--arch", "nowhere.json"], "nowhere.json"),
        (["--arch", "baseline3"], "baseline3"),
        (["--size", "512"], "512"),
        (["--size", "16x1024"], "at least 32"),
        (["--classes", "0"], "classes"),
        (["--space.preset", "huge"], "huge"),
        (["--space.search", "dilation,witdh"], "witdh"),
        (["--space.widths", "64,130"], "130"),
        (["--space.step", "0"], "step"),
    ],
)
def test_bad_input_is_named_in_one_line(arguments: list[str], culprit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert (
        captured.err.count("\n") == 1 and captured.err.startswith("ssr-nas space: error: ") and culprit in captured.err
    )
