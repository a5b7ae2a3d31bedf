"""Names with a bound wherever a network is named."""

import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.benchmark.networks import scaled
from experiments.benchmark.networks.networks import Network, find_networks
from experiments.benchmark.networks.scaled import Scaler
from experiments.benchmark.networks.statistics import Seconds
from experiments.benchmark.networks.timing import Setup
from experiments.cli import main
from experiments.search.comparison import ComparisonOptions
from experiments.search.comparison_networks import reference_networks
from nas_space.architecture import Architecture, baseline1
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.scaling import ScaledName, largest_within

Deep = Callable[..., SpaceConfig]
SPACE, SIZE = SpaceConfig.compact(), (64, 96)


class Clock:
    """Milliseconds that follow from a network's multiply-accumulates, on a host whose speed changes all the time."""

    def __init__(self) -> None:
        self.measured: list[Architecture] = []
        self.speeds = itertools.cycle([1.0, 1.4, 0.8, 1.3])
        self.peers = {"erfnet": 8e6}
        self.others = 0.0

    def __call__(self, networks: Sequence[Network], scaler: Scaler, setup: Setup) -> tuple[list[Seconds], float]:
        self.measured += [one.architecture for one in networks if one.architecture is not None]
        speed = 1.0 if len(networks) == 1 else next(self.speeds)
        return [np.full((setup.rounds, setup.calls), self.of(one) * speed / 1e9) for one in networks], self.others

    def of(self, network: Network) -> float:
        if network.architecture is None:
            return self.peers[network.name]
        return float(cost(network.architecture, SIZE, 9).macs_total)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(scaled, "_time", clock)
    scaled._scaled.cache_clear()
    return clock


def test_the_head_counts(capsys: pytest.CaptureFixture[str]) -> None:
    scaled._scaled.cache_clear()  # what is kept is not printed again
    plain = Scaler(SIZE)("baseline2@0.1M", SPACE, 9)
    with_block = Scaler(SIZE)("baseline2@0.1M", SPACE, 9, "aggregation")
    assert cost(plain, SIZE, 9).params <= 1e5 >= cost(with_block, SIZE, 9, "aggregation").params
    assert cost(plain, SIZE, 9).params > cost(with_block, SIZE, 9).params
    assert "baseline2@0.1M: scaled from the compact space, stem 16, " in capsys.readouterr().out


def test_time_is_measured_once_in_a_process(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    network = Scaler(SIZE)("baseline2@10ms", SPACE, 9)
    count = len(clock.measured)
    assert 0 < count < 20 and network in clock.measured and cost(network, SIZE, 9).macs_total <= 1e7
    assert "ms measured as exported, onnxruntime, fp32, 1 thread, 64x96" in capsys.readouterr().out
    assert Scaler(SIZE)("baseline2@10ms", SPACE, 9) == network and len(clock.measured) == count
    Scaler(SIZE, threads=2)("baseline2@10ms", SPACE, 9)
    assert len(clock.measured) > count


def test_a_host_that_changes_its_speed_does_not_matter(clock: Clock) -> None:
    by_macs = largest_within(
        ScaledName("", "baseline2", "macs_total", 1e7), SPACE, lambda one: cost(one, SIZE, 9).macs_total
    )
    assert Scaler(SIZE)("baseline2@10ms", SPACE, 9) == by_macs


@pytest.mark.parametrize(("one", "rounds"), [(0.001, 60), (0.5, 20), (10.0, 10), (0.0, 60)])
def test_long_calls_get_fewer_rounds(one: float, rounds: int) -> None:
    assert scaled._rounds(scaled.ANCHOR_ROUNDS, scaled.ANCHOR_SECONDS, one) == rounds


def test_networks_are_timed_in_turns_with_the_first(clock: Clock) -> None:
    networks = [Architecture.random(SPACE, random.Random(seed)) for seed in range(3)]
    times = Scaler(SIZE).milliseconds([(network, None) for network in networks], 9)
    assert times == pytest.approx([cost(network, SIZE, 9).macs_total / 1e6 for network in networks])
    with pytest.raises(InputError, match="^size: 8x8"):
        Scaler((8, 8)).milliseconds([(networks[0], None)], 9)


def test_a_loaded_machine_is_told(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    clock.others = 100.0
    Scaler(SIZE)("baseline2@10ms", SPACE, 9)
    assert "\nwarning: the machine was loaded: others kept 100.0 of" in capsys.readouterr().out


def test_as_fast_as_another_network(clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found" / "architecture.json"
    file.parent.mkdir()
    found = Architecture.random(SPACE, random.Random(0))
    file.write_text(found.to_json())
    for like, limit in ((str(file.parent), cost(found, SIZE, 9).macs_total), ("erfnet", clock.peers["erfnet"])):
        network = Scaler(SIZE)(f"baseline2@{like}", SPACE, 9)
        name = ScaledName("", "baseline2", "macs_total", limit)
        assert network == largest_within(name, SPACE, lambda one: cost(one, SIZE, 9).macs_total)
        assert f" of the time of {like}\n" in capsys.readouterr().out


def test_as_fast_as_the_baseline_of_the_space_itself(clock: Clock) -> None:
    assert Scaler(SIZE)("baseline1@baseline1", SPACE, 9).stages == baseline1(SPACE).stages


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ("runs/none", "no such network"),
        ("erfnett", "did you mean erfnet"),
        ("baseline1@2G", "baseline1@2G has a bound itself; give a network that has none"),
    ],
)
def test_other_networks_that_are_none(like: str, message: str, clock: Clock) -> None:
    with pytest.raises(InputError, match=f"^baseline2@{like}: .*{message}"):
        Scaler(SIZE)(f"baseline2@{like}", SPACE, 9)
    assert not clock.measured


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


def test_it_is_not_measured_at_a_size_that_is_too_small(deep: Deep, clock: Clock) -> None:
    with pytest.raises(InputError, match=r"^baseline2@10ms, size: 32x96: both sides must be at least 64 pixels"):
        Scaler((32, 96))("baseline2@10ms", deep(4), 9)
    assert not clock.measured


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
