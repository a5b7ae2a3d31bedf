"""The moving average against its formula."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from experiments.training.average import WeightAverage


def steps(average: WeightAverage, network: nn.Conv2d, count: int) -> None:
    where: Any = SimpleNamespace(device="cpu")
    for step in range(count):
        with torch.no_grad():
            network.weight.fill_(float(step))
        average.on_train_batch_end(where, where, None, None, step)


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_it_is_the_formula(decay: float) -> None:
    network = nn.Conv2d(1, 1, 1)
    average = WeightAverage(network, decay)
    steps(average, network, 12)
    expected = 0.0
    for n in range(1, 12):
        d = min(decay, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * n
    assert isinstance(average.model, nn.Conv2d)
    assert float(average.model.weight.detach()) == pytest.approx(expected, rel=1e-5)
    assert float(network.weight.detach()) == 11.0


def test_batch_statistics_are_averaged_and_state_comes_back() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    average = WeightAverage(network, 0.9)
    where: Any = SimpleNamespace(device="cpu")
    for _ in range(3):
        network(torch.randn(2, 3, 4, 4))
        average.on_train_batch_end(where, where, None, None, 0)
    mean, own = (model[1].running_mean for model in (average.model, network))  # type: ignore[index]
    assert not torch.equal(mean, own) and (mean != 0).all()
    again = WeightAverage(network, 0.9)
    again.load_state_dict(average.state_dict())
    assert all(
        torch.equal(a, b)
        for a, b in zip(again.model.state_dict().values(), average.model.state_dict().values(), strict=True)
    )
    assert int(again.averaged.n_averaged) == 3
