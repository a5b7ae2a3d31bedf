"""The benchmark of the training loop: whose turn it is, and that a slow loader is found out."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import experiments.benchmark.training as throughput
from experiments.benchmark.training import Alternating
from experiments.cli import main
from experiments.data.crops import CropStream
from experiments.data.dataset import Split

TINY = [
    "--data.size",
    "32x40",
    "--data.limit",
    "8",
    "--data.batch",
    "4",
    "--device",
    "cpu",
    "--steps",
    "2",
    "--rounds",
    "2",
]


def stream() -> CropStream:
    images = torch.randint(0, 256, (8, 3, 32, 40), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return CropStream(Split(images, images[:, 0] % 5, tuple(map(str, range(8)))), 4, seed=0, crop=(32, 40))


def test_turns_real_and_constant() -> None:
    batches = Alternating(stream(), steps=5)
    real = [images for images, _ in batches]
    assert len(real) == len(batches) == 5
    assert all(not torch.equal(real[i], real[j]) for i in range(5) for j in range(i))
    batches.epoch = 1
    constant = [images for images, _ in batches]
    assert len(constant) == 5 and all(torch.equal(images, constant[0]) for images in constant)
    assert constant[0].shape == real[0].shape


def test_the_command_tells_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "training", *TINY, "--train.ema", "0.9", "--json"]) == 0
    out = capsys.readouterr().out.splitlines()
    result = json.loads(out[-1])
    assert result["ratio_spread"][0] <= result["ratio"] <= result["ratio_spread"][1] and result["batch_s"] > 0
    assert (result["network"], result["stage"], result["batch"], result["crop"]) == (
        "baseline1",
        "aggregation",
        4,
        "32x40",
    )
    assert "% of the speed with a constant batch" in out[-2]


def test_a_slow_loader_is_found_out(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a clock of its own: a batch takes 100 s to make, a step 1 s."""
    batches, now = CropStream.__iter__, [0.0]

    def slow(self: CropStream) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in batches(self):
            now[0] += 100.0
            yield batch

    def step(*_: Any) -> None:
        now[0] += 1.0

    monkeypatch.setattr(CropStream, "__iter__", slow)
    monkeypatch.setattr(throughput.EpochTimes, "on_train_batch_end", step, raising=False)
    monkeypatch.setattr(throughput, "now", lambda device: now[0])
    assert main(["benchmark", "training", *TINY, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["batch_s"], result["constant_batch_s"]) == (101.0, 1.0)
    assert result["ratio"] == pytest.approx(1 / 101) and result["ratio_spread"] == [result["ratio"]] * 2


def test_warm_up_does_not_count(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(throughput, "now", lambda device: float(next(clock)))
    times: list[Any] = []
    monkeypatch.setattr(throughput.statistics, "median", lambda values: times.append(list(values)) or 1.0)
    assert main(["benchmark", "training", *TINY, "--json"]) == 0
    assert times[0] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--steps", "0"], "steps"),
        (["--rounds", "0"], "rounds"),
        (["--resume", "x"], "resume"),
        (["--peer", "pspnet"], "pspnet"),
    ],
)
def test_bad_input(arguments: list[str], culprit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "training", *arguments]) == 2
    assert culprit in capsys.readouterr().err
