"""The example of a space that is not ours, on a few random images."""

import json
from pathlib import Path

import pytest
import torch
from torchvision import datasets

from experiments.examples import any_space
from experiments.search.nni_experiment import LocalExperiment


@pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")
def test_the_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def images(root: str, train: bool, download: bool, transform: object) -> datasets.FakeData:
        return datasets.FakeData(8 if train else 4, (3, 8, 8), 10, transform)

    def search(images: torch.utils.data.Dataset, classes: int, epochs: int) -> any_space.Found:
        return original(images, classes, epochs, channels=4, batch=2)

    original = any_space.search
    monkeypatch.setattr(any_space, "search", search)
    monkeypatch.setattr(any_space, "NasExperiment", LocalExperiment)  # which writes nothing into the home folder
    monkeypatch.setattr(datasets, "CIFAR10", images)
    monkeypatch.chdir(tmp_path)
    any_space.main(["--data", "nowhere", "--epochs", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("accuracy ") and '"stage2_depth": ' in lines[-2]
    sample = json.loads(lines[-2])
    network = any_space.Classifier(4, 10).freeze(sample)
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
