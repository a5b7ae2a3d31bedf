"""Starting a search: what is checked before what, and which kind of search comes out."""

from pathlib import Path

import pytest

from experiments.latency import build
from experiments.options.groups import ConstraintOptions, DataOptions
from experiments.options.quantity import Quantity
from experiments.search.multi_trial import MultiTrialSearch
from experiments.search.one_shot import Search
from experiments.search.options import SearchOptions, SearchRunOptions
from experiments.search.prepare import load_data, prepare_search
from nas_space.errors import InputError

TINY = DataOptions(size="32x40", limit=8, batch=4)


@pytest.mark.parametrize(("strategy", "kind"), [("ssr", Search), ("random", MultiTrialSearch)])
def test_the_strategy_decides_the_kind(strategy: str, kind: type, tmp_path: Path) -> None:
    prepared = prepare_search(SearchRunOptions(strategy=strategy, device="cpu", data=TINY, out="elsewhere"))
    assert type(prepared.options) is SearchOptions  # without where it is written
    assert type(prepared.create(tmp_path)) is kind
    prepared.write_table(tmp_path)
    assert prepared.constraint is None and list(tmp_path.iterdir()) == []


def test_a_bound_that_cannot_be_met_is_refused_before_latency_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "build_table", lambda *_, **__: pytest.fail("measured"))
    bounds = ConstraintOptions(macs=Quantity("0.1M"), latency_ms=1.0)
    options = SearchOptions(device="cpu", data=TINY, constraint=bounds)
    for prepare in (prepare_search, load_data):
        with pytest.raises(InputError, match="constraint.macs"):
            prepare(options)


def test_data_that_cannot_be_divided_is_refused() -> None:
    data = DataOptions(size="32x40", limit=1, batch=4)
    with pytest.raises(InputError, match="strategy: random: cannot divide 1 training image"):
        load_data(SearchOptions(strategy="random", device="cpu", data=data))
