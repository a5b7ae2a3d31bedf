"""The trained networks that come with the package: what they are, their names, their cards."""

import json
import re
from pathlib import Path

import pytest
import torch

from experiments.benchmark.networks.networks import find_networks
from experiments.cli import main
from experiments.commands.retrain import Options, resolve_network
from experiments.model_file import load_model, save_model
from experiments.options.groups import DataOptions
from experiments.prediction.trained_on import completed
from experiments.runs.shipped import shipped_networks
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


def test_every_one_has_a_row() -> None:
    assert shipped_networks() == [folder for folder, _ in ROWS]


@pytest.mark.parametrize("folder", [folder for folder, _ in ROWS])
def test_the_card_says_what_the_network_is(folder: str) -> None:
    card = (RESULTS / folder / "README.md").read_text(encoding="utf-8")
    told = json.loads((RESULTS / folder / "retrain.json").read_text(encoding="utf-8"))
    cost = told["cost"]
    assert f"| {cost['params']:,} |" in card and f"| {cost['macs_total'] / 1e6:,.1f} M |" in card
    assert f"mIoU {100 * told['miou']:.1f}, pixel accuracy {100 * told['pixel_accuracy']:.1f}," in card
    assert f"seed {told['seed']}" in card and f"{told['stages'][0]['epochs']} epochs with the encoder head" in card
    names, values = (re.escape(" | ".join(row)) for row in (told["per_class"], _percent(told["per_class"])))
    assert re.search(rf"\| {names} \|\n[|-]+\n\| {values} \|", card)
    assert "CC BY-NC 4.0" in card


def _percent(scores: dict[str, float]) -> list[str]:
    return [f"{100 * score:.1f}" for score in scores.values()]


def test_they_are_known_by_name_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "camvid_360x480"
    (tmp_path / "config.yml").write_text("data: {name: camvid, root: elsewhere}")  # of another run
    _, info = load_model(name)
    assert completed(name, info, DataOptions(name="as-trained", root=None)).root is None
    expected = Architecture.load(RESULTS / name / "architecture.json")
    assert info.architecture == expected == resolve_network(Options(arch=name))
    (network,) = find_networks([name], None, None)
    assert network.trained and network.architecture == expected


def test_a_folder_of_the_user_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network, info = load_model("camvid_360x480")
    (tmp_path / "camvid_paper_360x480").mkdir()
    save_model(tmp_path / "camvid_paper_360x480", network, info)
    assert load_model("camvid_paper_360x480")[1] == info
    resolved = resolve_network(Options(arch="camvid_paper_360x480/architecture.json"))
    assert resolved == info.architecture


def test_a_name_that_is_none_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "--checkpoint", "camvid", "street.jpg"]) == 2
    assert "camvid: no such file" in (said := capsys.readouterr().err) and "camvid_paper_360x480" in said
