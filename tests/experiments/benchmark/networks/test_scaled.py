"""Names with a bound wherever a network is named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments.benchmark.networks import scaled
from experiments.benchmark.networks.networks import find_networks
from experiments.benchmark.networks.scaled import Scaler
from experiments.cli import main
from experiments.search.comparison import ComparisonOptions
from experiments.search.comparison_networks import reference_networks
from nas_space.architecture import Architecture, baseline1
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.errors import InputError

Deep = Callable[..., SpaceConfig]
SPACE, SIZE = SpaceConfig.compact(), (64, 96)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[Architecture]:
    """Milliseconds that follow from the network; the networks that were measured."""
    measured: list[Architecture] = []

    def milliseconds(network: Architecture, *_: object) -> float:
        measured.append(network)
        return cost(network, SIZE, 9).macs_total / 1e6

    monkeypatch.setattr(scaled, "_milliseconds", milliseconds)
    scaled._scaled.cache_clear()
    return measured


def test_the_head_counts(capsys: pytest.CaptureFixture[str]) -> None:
    scaled._scaled.cache_clear()  # what is kept is not printed again
    plain = Scaler(SIZE)("baseline2@0.1M", SPACE, 9)
    with_block = Scaler(SIZE)("baseline2@0.1M", SPACE, 9, "aggregation")
    assert cost(plain, SIZE, 9).params <= 1e5 >= cost(with_block, SIZE, 9, "aggregation").params
    assert cost(plain, SIZE, 9).params > cost(with_block, SIZE, 9).params
    assert "baseline2@0.1M: scaled from the compact space, stem 16, " in capsys.readouterr().out


def test_time_is_measured_once_in_a_process(clock: list[Architecture], capsys: pytest.CaptureFixture[str]) -> None:
    network = Scaler(SIZE)("baseline2@10ms", SPACE, 9)
    count = len(clock)
    assert 0 < count < 10 and network in clock and cost(network, SIZE, 9).macs_total <= 1e7
    assert "ms measured as exported, onnxruntime, fp32, 1 thread, 64x96" in capsys.readouterr().out
    assert Scaler(SIZE)("baseline2@10ms", SPACE, 9) == network and len(clock) == count
    Scaler(SIZE, threads=2)("baseline2@10ms", SPACE, 9)
    assert len(clock) > count


@pytest.mark.parametrize("stages", [2, 3, 4])
def test_beside_a_measured_network_it_is_of_its_space(stages: int, tmp_path: Path, deep: Deep) -> None:
    space = SPACE if stages == 2 else deep(stages)
    file = tmp_path / "architecture.json"
    file.write_text(baseline1(space).to_json())
    _, found = find_networks([str(file), "baseline1@0.05M"], None, 9, Scaler(SIZE))
    assert found.architecture is not None and found.build is not None
    assert found.architecture.space.dilations == space.dilations and len(found.architecture.stages) == stages
    assert cost(found.architecture, SIZE, 9).params <= 5e4
    assert found.build()(torch.zeros(1, 3, *SIZE)).shape == (1, 9, 8, 12)


def test_it_is_not_measured_at_a_size_that_is_too_small(deep: Deep, clock: list[Architecture]) -> None:
    with pytest.raises(InputError, match=r"^baseline2@10ms, size: 32x96: both sides must be at least 64 pixels"):
        Scaler((32, 96))("baseline2@10ms", deep(4), 9)
    assert clock == []


def test_cost_and_space_name_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            [
                "space",
                "--preset",
                "compact",
                "--size",
                "64x96",
                "--classes",
                "9",
                "--arch",
                "baseline2@5Mmacs",
                "--json",
            ]
        )
        == 0
    )
    counted = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 4e6 < counted["macs_total"] <= 5e6
    names = ["baseline1", "baseline2@0.05M"]
    assert main(["cost", *names, "--fps", "false", "--sizes", "64x96", "--space.preset", "compact", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["networks"]
    assert [row["network"] for row in rows] == names and 4e4 < rows[1]["params"] <= 5e4


@pytest.mark.parametrize("name", ["baseline2@", "baseline2@0ms", "baseline2@-1G", "baseline3@20ms", "baseline2@1K"])
@pytest.mark.parametrize(
    "command",
    [
        ["space", "--arch"],
        ["cost", "--fps", "false", "--networks"],
        ["benchmark", "--arch"],
        ["retrain", "--data.limit", "4", "--data.size", "32x40", "--arch"],
        ["compare", "--data.limit", "4", "--data.size", "32x40", "--references"],
    ],
    ids=lambda words: words[0],
)
def test_bounds_that_are_none_are_refused(
    command: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*command, name]) == 2
    error = capsys.readouterr().err
    assert name in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_comparison_keeps_the_network_that_it_has_measured(tmp_path: Path) -> None:
    options = ComparisonOptions(references=["baseline1", "baseline2@5ms"], out=str(tmp_path))
    made = Scaler(SIZE)("baseline2@0.05M", SPACE, 9)
    first = reference_networks(options, lambda name, space: made)
    assert first == {"baseline1": made, "baseline2@5ms": made}
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "baseline2@5ms.json").write_text(made.to_json())
    other = baseline1(SPACE)
    assert reference_networks(options, lambda name, space: other) == {"baseline1": other, "baseline2@5ms": made}


@pytest.mark.slow
def test_a_scaled_network_is_retrained(tmp_path: Path) -> None:
    tiny = ["--data.limit", "4", "--data.size", "32x40", "--epochs", "1", "--device", "cpu", "--stages", "encoder"]
    assert main(["retrain", *tiny, "--arch", "baseline2@20K", "--out", str(tmp_path / "run")]) == 0
    network = Architecture.load(tmp_path / "run")
    assert 1.5e4 < cost(network, (32, 40), 9).params <= 2e4
    assert main(["retrain", "--resume", str(tmp_path / "run")]) == 0
