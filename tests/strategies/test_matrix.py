"""Every strategy on every dimension: it runs, learns, exports a valid network, and ends discrete where it should."""

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.data import SegmentationData, load
from experiments.options.groups import DataOptions, SpaceOptions, TrainOptions
from experiments.search.bounds import make_constraint
from experiments.search.multi_trial import MultiTrialSearch
from experiments.search.one_shot import Search
from experiments.search.options import SearchOptions, check_options
from nas_space.architecture import Architecture
from nas_space.config import DIMENSIONS
from nas_space.errors import InputError
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


@pytest.fixture(scope="module")
def data() -> SegmentationData:
    return load(DataOptions(size="32x40", limit=16, batch=4))


def options(name: str, search: tuple[str, ...], **changes: float) -> SearchOptions:
    """A small space and large steps, so that a threshold decides within the few epochs."""
    return SearchOptions(
        strategy=name,
        epochs=EPOCHS,
        device="cpu",
        data=DataOptions(size="32x40", limit=16, batch=4),
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
