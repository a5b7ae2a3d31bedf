"""Strategies that remember something besides their logits continue as if they had not been interrupted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.cli import main
from experiments.search.monitor import SearchMonitor

TINY = ["--data.size", "32x40", "--data.limit", "8", "--data.batch", "4", "--epochs", "6", "--device", "cpu"]
SPACE = [
    "--space.dilations",
    "1,2",
    "--space.depths",
    "[[1, 2], [1, 2]]",
    "--space.span",
    "8",
    "--method.lr",
    "0.5",
    "--method.h",
    "0.6",
]
THREE = ["--space.widths", "20,24,32", "--space.depths", "[[1, 2], [1], [1, 2]]", "--space.span", "8,0,16"]
FOUR = ["--space.widths", "20,24,28,32", "--space.depths", "[[1], [1], [1], [1, 2]]", "--data.size", "64x64"]
KEYS = ("removals", "entropy", "miou", "gap", "gap_before", "cost", "alive", "discrete", "discrete_epoch")


@pytest.mark.parametrize(
    ("strategy", "extra"),
    [
        ("sgas2", []),
        ("pdarts", FOUR),
        ("progressive", THREE),
        ("snas", []),
        ("darts2", []),
        ("ssr", ["--constraint.macs", "0.8M"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_resumed_is_the_same(strategy: str, extra: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in its third epoch, and again in its fifth."""
    arguments = ["search", *TINY, *SPACE, "--strategy", strategy, *extra]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*arguments, "--out", str(whole)]) == 0
    start = SearchMonitor.on_train_epoch_start
    stops = [2, 4]

    def die(self: SearchMonitor, trainer: Any, module: Any) -> None:
        if stops and trainer.current_epoch == stops[0]:
            stops.pop(0)
            raise RuntimeError("killed")
        start(self, trainer, module)

    monkeypatch.setattr(SearchMonitor, "on_train_epoch_start", die)
    assert main([*arguments, "--out", str(parts)]) == 1
    assert main(["search", "--resume", str(parts)]) == 1
    assert main(["search", "--resume", str(parts)]) == 0 and not stops
    first, other = (json.loads((run / "search.json").read_text()) for run in (whole, parts))
    for key in KEYS:
        assert first[key] == other[key], key
    assert (whole / "pareto.json").read_text() == (parts / "pareto.json").read_text()
    metrics = [pd.read_csv(run / "metrics.csv").filter(regex="^(?!seconds)") for run in (whole, parts)]
    pd.testing.assert_frame_equal(*metrics)
    with np.load(whole / "probabilities.npz") as one, np.load(parts / "probabilities.npz") as two:
        assert one["epoch"].tolist() == list(range(1, 7))
        for name in one:
            np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.filterwarnings("ignore:.*:UserWarning:nni")
def test_a_search_of_nnis_cannot_be_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    arguments = [
        "--strategy",
        "nni-darts",
        "--epochs",
        "1",
        "--space.search",
        "depth",
        "--space.depths",
        "[[1, 2], [1, 2]]",
    ]
    assert main(["search", *TINY, *arguments, "--out", str(run)]) == 0
    assert main(["search", "--resume", str(run)]) == 2
    assert "nni-darts is NNI's own" in capsys.readouterr().err
