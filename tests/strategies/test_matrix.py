"""Every strategy on every dimension, and on two to four stages.

It runs, learns, exports a valid network, and ends discrete where it should.
"""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from experiments.data import SegmentationData, load
from experiments.options.groups import DataOptions, SpaceOptions, TrainOptions
from experiments.search import multi_trial, one_shot
from experiments.search.base import BaseSearch
from experiments.search.bounds import make_constraint
from experiments.search.multi_trial import MultiTrialSearch
from experiments.search.one_shot import Search
from experiments.search.options import SearchOptions, check_options
from nas_space.architecture import Architecture
from nas_space.config import DIMENSIONS
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork
from strategies.method import MethodOptions
from strategies.registry import MULTI_TRIAL, NAMES, STRATEGIES

FORCED = {
    "progressive": "lowest",
    "pdarts": "stage",
    "pdarts-ssr": "stage",
    "sgas": "decision",
    "sgas2": "decision",
    "sgas-ssr": "decision",
}
"""Strategies that force decisions, and the rule by which they do."""
NEVER = ("darts", "darts2", "snas", "fairdarts", "nni-darts", "nni-gumbel", "nni-proxyless")
"""Those that remove nothing."""
SEARCHES = [
    *(pytest.param((dimension,), marks=pytest.mark.slow, id=dimension) for dimension in DIMENSIONS),
    pytest.param(DIMENSIONS, id="all"),
]
EPOCHS = 7
SMALL = DataOptions(size="64x64", limit=4, batch=2)


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than so short a search."""
    monkeypatch.setattr(BaseSearch, "draw_validation", lambda *_: None)
    for module in (one_shot, multi_trial):
        monkeypatch.setattr(module, "draw_pareto", lambda _: None)


@pytest.fixture(scope="module")
def small_data() -> SegmentationData:
    return load(SMALL)


@pytest.fixture(scope="module")
def data() -> SegmentationData:
    return load(DataOptions(size="32x40", limit=8, batch=4))


def options(name: str, search: tuple[str, ...], **changes: float) -> SearchOptions:
    """A small space and large steps, so that a threshold decides within the few epochs."""
    return SearchOptions(
        strategy=name,
        epochs=EPOCHS,
        device="cpu",
        data=DataOptions(size="32x40", limit=8, batch=4),  # two steps an epoch
        space=SpaceOptions(
            search=list(search), dilations=[1, 2], depths=[[1, 2], [1, 2]], widths=[24, 32], span=8, step=4
        ),
        method=MethodOptions(lr=1.0, warmup=0.1, explore=0.1, h=0.5, samples=2, **changes),  # type: ignore[arg-type]
        train=TrainOptions(lr=0.01),
    )


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:.*:UserWarning:nni")
def test_strategy_on_dimension(name: str, search: tuple[str, ...], data: SegmentationData, tmp_path: Path) -> None:
    asked = options(name, search)
    if name == "nni-proxyless" and "width" in search:
        with pytest.raises(InputError, match="Proxyless has no mixed width"):
            check_options(asked)
        return
    check_options(asked)
    kind = MultiTrialSearch if name in MULTI_TRIAL else Search
    summary = kind(asked, data, tmp_path, make_constraint(asked, len(data.classes))).execute()
    assert json.loads((tmp_path / "search.json").read_text())["strategy"] == name
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    if name not in MULTI_TRIAL:
        assert metrics["loss_w"].iloc[-1] < metrics["loss_w"].iloc[0]
    architecture = Architecture.load(tmp_path / "architecture.json")
    assert Architecture.from_sample(architecture.space, architecture.to_sample()) == architecture
    assert architecture.space.search == search
    rules = {removal["rule"] for removal in summary["removals"]} - {"cascade"}
    if name in FORCED:
        assert summary["discrete"] and rules == {FORCED[name]}
    elif name in NEVER:
        assert not summary["discrete"] and rules == {"argmax"}
    elif name in MULTI_TRIAL:
        assert summary["discrete"] and not rules
    elif name == "ssr":
        assert summary["discrete"] and rules == {"threshold"}
    if summary["discrete"]:  # what the super-network computes is what the network computes
        assert abs(summary["gap"]["loss_supernet"] - summary["gap"]["loss_derived"]) < 1e-4
        assert summary["gap"]["max_logit_difference"] < 1e-3
        assert summary["entropy"]["final"] == 0.0


@pytest.mark.parametrize("search", [("dilation", "pooling"), DIMENSIONS], ids=("operators", "all"))
def test_layer_after_layer(search: tuple[str, ...], data: SegmentationData, tmp_path: Path) -> None:
    """Staggered, equal parts at first, shared widths, strong augmentation: discrete by threshold alone, no gap."""
    asked = options("ssr", search, stagger=True, share_widths=True)
    asked.epochs, asked.train = 20, TrainOptions(lr=0.01, augmentation="crop")
    check_options(asked)
    summary = Search(asked, data, tmp_path, make_constraint(asked, len(data.classes))).execute()
    assert summary["discrete"] and {removal["rule"] for removal in summary["removals"]} <= {"threshold", "cascade"}
    assert summary["gap"]["max_logit_difference"] < 1e-3
    decided = {}
    for removal in summary["removals"]:
        if removal["level"] == "operator":
            decided[removal["label"]] = removal["epoch"]
    assert len(decided) == sum(asked.space.resolve().layers) and len(set(decided.values())) > 1
    left = [removal for removal in summary["removals"] if removal["rule"] == "threshold"]
    others = [removal["epoch"] for removal in left if removal["level"] != "operator"]
    assert min(others, default=20) >= max(decided.values())


@pytest.mark.parametrize("stages", [3, 4])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:.*:UserWarning:nni")
def test_strategy_on_stages(name: str, stages: int, small_data: SegmentationData, tmp_path: Path) -> None:
    """Two steps; the network that comes out can be built, with the head of a search and with that of a training."""
    dimensions = [dimension for dimension in DIMENSIONS if name != "nni-proxyless" or dimension != "width"]
    asked = options(name, tuple(dimensions))
    asked.epochs, asked.data = 1, SMALL
    asked.space = SpaceOptions(
        search=dimensions,
        stem=4,
        widths=[8, 12, 16, 21][:stages],
        depths=[[1, 2], [1], [1], [1]][:stages],
        dilations=[1],
        span=[2, 8, 0, 6][:stages],
        step=[2, 4, 4, 3][:stages],
    )
    check_options(asked)
    kind = MultiTrialSearch if name in MULTI_TRIAL else Search
    kind(asked, small_data, tmp_path, make_constraint(asked, len(small_data.classes))).execute()
    architecture = Architecture.load(tmp_path / "architecture.json")
    assert architecture.space == asked.space.resolve()
    image = torch.zeros(1, 3, 70, 67)
    for head, shape in zip(architecture.space.heads, ((9, 9), (18, 17)), strict=True):
        network = SegmentationNetwork(architecture, len(small_data.classes), head).eval()
        with torch.inference_mode():
            assert network(image).shape == (1, len(small_data.classes), *shape)


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("name", FORCED)
def test_forced_decisions_are_complete_at_any_number_of_epochs(
    name: str, epochs: int, data: SegmentationData, tmp_path: Path
) -> None:
    asked = options(name, DIMENSIONS)
    asked.epochs = epochs
    assert Search(asked, data, tmp_path).execute()["discrete"]


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name not in ("ssr-l1", "ssr-l2", "ssr-ie")])
def test_constrained(name: str, data: SegmentationData, tmp_path: Path) -> None:
    """Whatever the strategy, the network that comes out meets the bound."""
    asked = options(name, DIMENSIONS)
    asked.constraint.macs = 450_000  # type: ignore[assignment]  # the smallest network of this space has 0.36 million
    constraint = make_constraint(asked, len(data.classes))
    summary = Search(asked, data, tmp_path, constraint).execute()
    assert summary["cost"]["macs_total"] <= 450_000
    assert summary["constraint"]["macs"]["met"]
    if name in FORCED or name == "ssr":  # a bound does not keep a search from deciding
        assert summary["discrete"]
