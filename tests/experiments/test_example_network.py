"""The trained networks that come with the repository."""

import json
from pathlib import Path

import pytest
import torch

from experiments.model_file import load_model
from nas_space.architecture import Architecture
from nas_space.cost import cost

RESULTS = Path(__file__).parents[2] / "experiments" / "results"


ROWS = [("camvid_360x480", "found at 360x480"), ("camvid_paper_360x480", "found in the paper's space")]


@pytest.mark.parametrize(("folder", "row"), ROWS)
def test_they_are_what_the_results_say(folder: str, row: str) -> None:
    example = RESULTS / folder
    network, info = load_model(example)
    told = json.loads((example / "retrain.json").read_text(encoding="utf-8"))
    assert info.architecture == Architecture.load(example / "architecture.json") and info.dataset == "camvid"
    assert list(info.classes) == list(told["per_class"]) and info.size == (360, 480)
    spent = cost(info.architecture, info.size, len(info.classes), info.head)
    assert (spent.params, spent.macs_total) == (told["cost"]["params"], told["cost"]["macs_total"])
    table = (RESULTS / "retraining.md").read_text(encoding="utf-8")
    assert (
        f"| {row} | {100 * told['miou']:.1f} " in table
        and f"{spent.params:,.0f} | {spent.macs_total / 1e6:.1f} M" in table
    )
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 360, 480)).shape == (1, 11, 90, 120)
