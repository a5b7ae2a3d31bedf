"""The score of one network without files is what ``retrain`` tells of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.data import load
from experiments.options.groups import DataOptions
from experiments.training.recipe import RecipeOptions, RetrainOptions
from experiments.training.retrain import Retraining
from experiments.training.score import train_and_score
from nas_space.architecture import baseline2
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

DATA = DataOptions(size="32x40", limit=8, batch=4)
PLAIN = RecipeOptions(augmentation="shift", loss="cross-entropy")


@pytest.mark.parametrize(
    ("stages", "train"),
    [(["encoder"], PLAIN), (["encoder", "aggregation"], RecipeOptions(ema=0.5))],
    ids=["plain", "whole recipe"],
)
def test_the_score_is_that_of_retrain(stages: list[str], train: RecipeOptions, tmp_path: Path) -> None:
    arguments = ["--arch", "baseline2", "--stages", ",".join(stages), "--epochs", "2", "--seed", "3"]
    arguments += ["--data.size", "32x40", "--data.limit", "8", "--data.batch", "4", "--device", "cpu"]
    arguments += ["--train.augmentation", train.augmentation, "--train.loss", train.loss, "--train.ema", str(train.ema)]
    assert main(["retrain", *arguments, "--out", str(tmp_path / "run")]) == 0
    summary = json.loads((tmp_path / "run" / "retrain.json").read_text())
    options = RetrainOptions(epochs=2, stages=stages, seed=3, device="cpu", data=DATA, train=train)
    (tmp_path / "empty").mkdir()
    training = Retraining(options, load(DATA), tmp_path / "empty", baseline2(SpaceConfig.compact()))
    assert train_and_score(training).miou == summary["miou"]
    assert not list((tmp_path / "empty").iterdir())


def test_a_loss_that_is_not_finite_is_told(tmp_path: Path) -> None:
    options = RetrainOptions(epochs=2, stages=["encoder"], device="cpu", data=DATA, train=replace(PLAIN, lr=1e30))
    training = Retraining(options, load(DATA), tmp_path, baseline2(SpaceConfig.compact()))
    with pytest.raises(InputError, match="the loss became .* in epoch"):
        train_and_score(training)
