"""The trained network that comes with the repository."""

import json
from pathlib import Path

import torch

from experiments.model_file import load_model
from nas_space.architecture import Architecture
from nas_space.cost import cost

RESULTS = Path(__file__).parents[2] / "experiments" / "results"
EXAMPLE = RESULTS / "camvid_360x480"


def test_it_is_what_the_results_say() -> None:
    network, info = load_model(EXAMPLE)
    told = json.loads((EXAMPLE / "retrain.json").read_text(encoding="utf-8"))
    assert info.architecture == Architecture.load(EXAMPLE / "architecture.json") and info.dataset == "camvid"
    assert list(info.classes) == list(told["per_class"]) and info.size == (360, 480)
    spent = cost(info.architecture, info.size, len(info.classes), info.head)
    assert (spent.params, spent.macs_total) == (told["cost"]["params"], told["cost"]["macs_total"])
    table = (RESULTS / "retraining.md").read_text(encoding="utf-8")
    assert f"| found at 360x480 | {100 * told['miou']:.1f} " in table and f"{spent.params:,.0f} | {spent.macs_total / 1e6:.1f} M" in table
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 360, 480)).shape == (1, 11, 90, 120)
