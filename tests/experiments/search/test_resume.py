"""Strategies that remember something besides their logits continue as if they had not been interrupted."""

import json
from pathlib import Path
from typing import Any

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
@pytest.mark.parametrize("stop", [2, 4])
def test_resumed_is_the_same(
    strategy: str, extra: list[str], stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["search", *TINY, *SPACE, "--strategy", strategy, *extra]
    assert main([*arguments, "--out", str(tmp_path / "whole")]) == 0
    start = SearchMonitor.on_train_epoch_start

    def die(self: SearchMonitor, trainer: Any, module: Any) -> None:
        if trainer.current_epoch == stop:
            raise RuntimeError("killed")
        start(self, trainer, module)

    monkeypatch.setattr(SearchMonitor, "on_train_epoch_start", die)
    assert main([*arguments, "--out", str(tmp_path / "parts")]) == 1
    monkeypatch.setattr(SearchMonitor, "on_train_epoch_start", start)
    assert main(["search", "--resume", str(tmp_path / "parts")]) == 0
    whole, parts = (json.loads((tmp_path / run / "search.json").read_text()) for run in ("whole", "parts"))
    for key in KEYS:
        assert whole[key] == parts[key], key
    assert (tmp_path / "whole" / "pareto.json").read_text() == (tmp_path / "parts" / "pareto.json").read_text()
    metrics = [pd.read_csv(tmp_path / run / "metrics.csv").filter(regex="^(?!seconds)") for run in ("whole", "parts")]
    pd.testing.assert_frame_equal(*metrics)


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
