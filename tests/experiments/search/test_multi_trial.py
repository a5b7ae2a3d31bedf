"""Searches that train sampled networks one by one: budget, choice, files, resume, and which images decide."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import experiments.search.samplers as sampled
from experiments.data.dataset import SegmentationData, Split
from experiments.data.streams import val_stream
from experiments.metrics.evaluation import evaluate
from experiments.model_file import load_model
from experiments.options.groups import DataOptions, SpaceOptions, TrainOptions
from experiments.report.page import write_report
from experiments.runs.files import plain
from experiments.search.multi_trial import MultiTrialSearch
from experiments.search.options import SearchOptions
from experiments.search.samplers import create_multi_trial, fits, sample_networks
from experiments.search.trained_networks import TrainedNetwork
from experiments.training.module import SegmentationModule
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.expected_cost import counted_cost
from nas_space.network import SegmentationNetwork
from nas_space.space import JointSpace
from strategies.alive import Alive
from strategies.constraint import Bound, Constraint
from strategies.method import MethodOptions
from strategies.registry import MULTI_TRIAL

TRAIN, VAL = set(range(10, 20)), set(range(200, 204))
"""Every image has one colour, by which it is known again: normalising and augmenting keep it apart from all others."""
SPACE = SpaceOptions(stem=4, widths=[8, 12], depths=[[1, 2], [1, 3]], dilations=[1, 2], span=4, step=2)
CONFIG = SPACE.resolve()


def split(colours: set[int], seed: int = 0) -> Split:
    images = torch.tensor(sorted(colours), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 32, 40).contiguous()
    labels = torch.randint(0, 3, (len(colours), 32, 40), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    return Split(images, labels, tuple(map(str, sorted(colours))))


def data(val: Split | None = None) -> SegmentationData:
    return SegmentationData(
        "colours", ("a", "b", "c"), ((0, 0, 0), (90, 1, 1), (2, 2, 90)), split(TRAIN), val or split(VAL)
    )


def options(strategy: str, **changes: Any) -> SearchOptions:
    method = MethodOptions(samples=changes.pop("samples", 3), arch_split=changes.pop("arch_split", None))
    values: dict[str, Any] = {
        "epochs": 2,
        "device": "cpu",
        "data": DataOptions(size="32x40", batch=4),
        "space": SPACE,
        "method": method,
        "train": TrainOptions(augmentation="shift"),  # an image is known by its colour
    }
    return SearchOptions(strategy=strategy, **{**values, **changes})


def bound(limit: float, kind: str = "macs_total", space: SpaceConfig = CONFIG) -> Bound:
    return Bound("macs", counted_cost(space, kind, (32, 40), 3), limit)


def trials(run: Path) -> list[dict[str, Any]]:
    """What ``trials.json`` holds, without times."""
    entries = json.loads((run / "trials.json").read_text())
    return [{key: value for key, value in entry.items() if not key.startswith("seconds")} for entry in entries]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> list[Architecture]:
    """Replaces training by a score that the network's cost decides; the list holds the networks that were "trained"."""
    trained: list[Architecture] = []

    def train(self: MultiTrialSearch, architecture: Architecture) -> tuple[TrainedNetwork, SegmentationNetwork]:
        trained.append(architecture)
        score = bound(1.0, space=architecture.space).of(architecture) % 997 / 997
        numbers = {"loss_heldout": 1.0, "miou": 1 - score, "loss": 1.0, "loss_train": 1.0, "lr": 0.1}
        trial = TrainedNetwork(architecture, score, **numbers, seconds=2.0, seconds_validation=1.0)
        return trial, SegmentationNetwork(architecture, 3)

    monkeypatch.setattr(MultiTrialSearch, "train", train)
    return trained


@pytest.mark.parametrize("strategy", MULTI_TRIAL)
def test_a_search_leaves_the_files_of_any_search(strategy: str, tmp_path: Path) -> None:
    summary = MultiTrialSearch(options(strategy), data(), tmp_path).execute()
    assert json.loads((tmp_path / "search.json").read_text()) == plain(summary)
    files = {"search.json", "architecture.json", "metrics.csv", "trials.json", "pareto.json", "figures", "snapshots"}
    assert {path.name for path in tmp_path.iterdir()} == files | {"model.safetensors"}
    networks = json.loads((tmp_path / "pareto.json").read_text())["networks"]
    entries = json.loads((tmp_path / "trials.json").read_text())
    assert [json.loads((tmp_path / row["file"]).read_text()) for row in networks] == [
        entry["architecture"] for entry in entries
    ]
    assert any(row["front"] for row in networks) and (tmp_path / "figures" / "pareto.png").is_file()
    architecture = Architecture.load(tmp_path / "architecture.json")
    assert SegmentationNetwork(architecture, 3)(torch.randn(2, 3, 33, 40)).shape == (2, 3, 5, 5)
    metrics = pd.read_csv(tmp_path / "metrics.csv", converters={"miou": float})  # exact with pandas 2 too
    assert metrics["epoch"].tolist() == list(range(1, len(trials(tmp_path)) + 1))
    assert metrics.notna().all(axis=None) and (metrics["seconds"] > 0).all()
    assert metrics["miou"].iloc[-1] == summary["miou"]["derived"] == summary["miou"]["supernet"]
    assert set(metrics["miou_resolution"]) == {"4x5"} == {row["miou_resolution"] for row in networks}
    scored = {key: summary["miou"][key] for key in ("resolution", "resolution_full")}
    assert scored == {"resolution": "4x5", "resolution_full": "32x40"}
    best = max(trials(tmp_path), key=lambda entry: entry["miou_heldout"])
    assert 0 <= summary["miou"]["derived_full"] == best["miou_full"] <= 1
    network, info = load_model(tmp_path)
    assert info.architecture == architecture and summary["weights"] == "model.safetensors"
    validation = val_stream(data().val, 1, label_stride=1)
    scores = evaluate(network, validation, nn.CrossEntropyLoss(ignore_index=255), 3)
    assert scores.miou == pytest.approx(best["miou_full"], abs=1e-6)
    assert metrics[[f"alive_{level}" for level in ("depth", "operator", "width")]].iloc[-1].tolist() == [
        int(mask.sum()) for mask in Alive.only(architecture)
    ]
    assert summary["discrete"] and summary["discrete_epoch"] is None and summary["entropy"]["final"] == 0.0
    assert summary["time"]["total_s"] == pytest.approx(metrics[["seconds", "seconds_validation"]].sum().sum())
    assert "nothing to decide" in write_report(tmp_path).read_text()
    assert (tmp_path / "figures" / "validation.png").is_file()


@pytest.mark.parametrize("strategy", MULTI_TRIAL)
def test_same_seed_same_result_and_another_seed_another(strategy: str, tmp_path: Path) -> None:
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        (tmp_path / name).mkdir()
        MultiTrialSearch(options(strategy, samples=2, epochs=1, seed=seed), data(), tmp_path / name).execute()
        torch.rand(3)  # what happened before does not matter
    assert (tmp_path / "first" / "architecture.json").read_bytes() == (
        tmp_path / "again" / "architecture.json"
    ).read_bytes()
    assert trials(tmp_path / "first") == trials(tmp_path / "again")
    assert trials(tmp_path / "first") != trials(tmp_path / "other")


@pytest.mark.parametrize("strategy", MULTI_TRIAL)
def test_the_best_on_the_held_out_images_is_kept(strategy: str, tmp_path: Path, pretend: list[Architecture]) -> None:
    summary = MultiTrialSearch(options(strategy, samples=6), data(), tmp_path).execute()
    rows = trials(tmp_path)
    best = max(rows, key=lambda row: row["miou_heldout"])
    assert (
        best["miou"] == min(row["miou"] for row in rows) == summary["miou"]["derived"]
    )  # validation would choose another
    assert json.loads((tmp_path / "architecture.json").read_text()) == best["architecture"]
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    assert metrics["miou"].tolist() == pytest.approx((1 - metrics["heldout_miou"].cummax()).tolist())


@pytest.mark.parametrize("strategy", MULTI_TRIAL)
@pytest.mark.parametrize("arch_split", [None, 0.5])
def test_validation_images_are_only_reported(
    strategy: str, arch_split: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: set[int] = set()
    scored: list[set[int]] = []
    call = nn.Module.__call__

    def colours(images: Tensor) -> set[int]:
        return {round((float(image.mean()) + 2) * 255 / 4) for image in images}

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self, SegmentationNetwork | JointSpace):
            if self.training:
                trained.update(colours(args[0]))
            else:
                scored.append(colours(args[0]))
        return call(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__call__", forward)
    results = []
    for name, val in (("own", split(VAL)), ("other", split({250, 251}, seed=5))):
        (tmp_path / name).mkdir()
        search = MultiTrialSearch(options(strategy, samples=2, arch_split=arch_split), data(val), tmp_path / name)
        search.execute()
        results.append(trials(tmp_path / name))
    held_out = set().union(*(batch for batch in scored if batch <= TRAIN))
    assert len(held_out) == (2 if arch_split is None else 5)
    assert trained <= TRAIN - held_out and len(trained) >= 4  # an incomplete batch is left out, another in each epoch
    assert set().union(*scored) == held_out | VAL | {250, 251}  # validation images were there
    for reported in ("miou", "loss", "miou_full"):
        assert [row.pop(reported) for row in results[0]] != [row.pop(reported) for row in results[1]]
    assert results[0] == results[1]  # the same networks, with the same scores
    assert (tmp_path / "own" / "architecture.json").read_bytes() == (
        tmp_path / "other" / "architecture.json"
    ).read_bytes()


def test_the_networks_share_the_passes_of_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = SegmentationModule.training_step

    def training_step(self: SegmentationModule, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        rates.append(self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        return step(self, batch, batch_idx)

    monkeypatch.setattr(SegmentationModule, "training_step", training_step)
    MultiTrialSearch(options("random", samples=2, epochs=3), data(), tmp_path).execute()
    one = rates[:6]  # 8 images in batches of 4, three of the six passes
    assert rates == one + one
    assert [row["lr"] for row in trials(tmp_path)] == [one[5], one[5]]
    assert one[0] == one[1] == 0.001 > one[2] == one[3] > one[4] == one[5] > 0
    assert [
        MultiTrialSearch(options("random", samples=n, epochs=24), data(), tmp_path).epochs for n in (1, 8, 1000)
    ] == [48, 6, 1]


def test_duplicates_are_trained_once(
    tmp_path: Path, pretend: list[Architecture], capsys: pytest.CaptureFixture[str]
) -> None:
    """NNI tells samples apart by labels that the network does not use."""
    space = SpaceOptions(
        stem=4, widths=[8, 12], depths=[[1], [1]], dilations=[1, 2], poolings=[1], span=4, step=2, search=["dilation"]
    )
    for strategy in MULTI_TRIAL:
        pretend.clear()
        (tmp_path / strategy).mkdir()
        MultiTrialSearch(options(strategy, samples=12, space=space), data(), tmp_path / strategy).execute()
        assert len(pretend) == len(set(pretend)) == len(trials(tmp_path / strategy)) <= 4
    assert len(sample_networks(space.resolve(), 12, 0)) == 4  # all there are
    assert "method.samples 12: only 4 networks of the space can be found; all are trained" in capsys.readouterr().err
    depth = SpaceOptions(stem=4, widths=[8, 12], depths=[[1, 2], [1]], dilations=[1, 2], poolings=[1], span=4, step=2)
    search = MultiTrialSearch(
        options("nni-random", samples=60, space=replace(depth, search=["depth", "dilation"])), data(), tmp_path
    )
    pretend.clear()
    search.execute()
    assert len(pretend) == 12  # of 16 samples; (2 + 4) networks of the first stage times 2 of the second


@pytest.mark.parametrize("strategy", MULTI_TRIAL)
def test_networks_beyond_a_bound_are_not_trained(strategy: str, tmp_path: Path, pretend: list[Architecture]) -> None:
    costs = sorted(bound(1.0).of(architecture) for architecture in sample_networks(CONFIG, 100, 7))
    constraint = Constraint([bound(costs[60])], CONFIG)
    summary = MultiTrialSearch(options(strategy, samples=8), data(), tmp_path, constraint).execute()
    assert all(fits(architecture, constraint) for architecture in pretend)
    assert len(pretend) == 8 if strategy == "random" else 1 <= len(pretend) <= 8
    assert summary["cost"]["macs_total"] <= costs[60]
    assert summary["constraint"]["macs"] == {"limit": costs[60], "found": summary["cost"]["macs_total"], "met": True}


def test_a_bound_that_no_draw_meets(
    tmp_path: Path, pretend: list[Architecture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled, "DRAWS", 50)
    full = Alive.full(CONFIG)
    least = {kind: bound(1.0, kind).cost.cheapest(*full) for kind in ("macs_total", "params")}
    constraint = Constraint([bound(1.05 * least[kind], kind) for kind in least], CONFIG)
    networks = sample_networks(CONFIG, 3, 0, constraint)
    assert 1 <= len(networks) <= 3 and all(fits(architecture, constraint) for architecture in networks)
    assert networks == sample_networks(CONFIG, 3, 0, constraint)
    (tmp_path / "nni").mkdir()
    with pytest.raises(InputError, match="no network that nni-random drew is within the bounds"):
        MultiTrialSearch(options("nni-random"), data(), tmp_path / "nni", constraint).execute()
    assert not pretend and not (tmp_path / "nni" / "search.json").exists()
    assert (
        MultiTrialSearch(options("random"), data(), tmp_path, constraint).execute()["cost"]["params"]
        <= 1.05 * least["params"]
    )


@pytest.mark.parametrize("strategy", MULTI_TRIAL)
def test_a_loss_that_is_not_finite_ends_the_search_in_one_line(strategy: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the loss became nan"):
        MultiTrialSearch(options(strategy, train=TrainOptions(lr=1e30)), data(), tmp_path).execute()
    assert not (tmp_path / "search.json").exists()


@pytest.mark.parametrize("strategy", MULTI_TRIAL)
def test_a_killed_search_continues_to_the_same_end(
    strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    first = MultiTrialSearch(options(strategy), data(), whole).execute()
    train = MultiTrialSearch.train
    calls: list[Architecture] = []

    def die(self: MultiTrialSearch, architecture: Architecture) -> Any:
        calls.append(architecture)
        if len(calls) == 2:
            raise RuntimeError("killed")
        return train(self, architecture)

    monkeypatch.setattr(MultiTrialSearch, "train", die)
    with pytest.raises(RuntimeError, match="killed"):
        MultiTrialSearch(options(strategy), data(), killed).execute()
    assert (
        len(trials(killed)) == len(pd.read_csv(killed / "metrics.csv")) == 1 and not (killed / "search.json").exists()
    )
    earlier = json.loads((killed / "trials.json").read_text())
    again = MultiTrialSearch(options(strategy), data(), killed).execute()
    assert calls[1] == calls[2] and calls[0] not in calls[1:]
    assert trials(killed) == trials(whole)
    assert json.loads((killed / "trials.json").read_text())[:1] == earlier  # with their times
    assert again["time"]["total_s"] > sum(row["seconds"] + row["seconds_validation"] for row in earlier)
    for key in ("miou", "gap", "cost", "alive", "entropy"):
        assert again[key] == first[key]
    kept = ("architecture.json", "figures/validation.png", "model.safetensors")
    for file in kept:
        assert (killed / file).read_bytes() == (whole / file).read_bytes()
    (killed / "model.safetensors").unlink()  # as a search of an earlier version left it
    MultiTrialSearch(options(strategy), data(), killed).execute()
    assert calls[-1] == Architecture.load(killed / "architecture.json")
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_trials_that_cannot_be_continued_are_refused(tmp_path: Path, pretend: list[Architecture]) -> None:
    MultiTrialSearch(options("random"), data(), tmp_path).execute()
    with pytest.raises(InputError, match=r"an option is not what .*trials.json was made with"):
        MultiTrialSearch(options("random", seed=1), data(), tmp_path).execute()
    MultiTrialSearch(
        options("random", precision="bf16"), data(), tmp_path
    ).execute()  # decides nothing about the search
    whole = (tmp_path / "trials.json").read_text()
    entries = json.loads(whole)
    entries[0]["miou_heldout"] = None
    (tmp_path / "trials.json").write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"trials.json: cannot be read .* remove it to start again"):
        MultiTrialSearch(options("random"), data(), tmp_path).execute()
    (tmp_path / "trials.json").write_text(whole[:200])
    with pytest.raises(InputError, match=r"trials.json: cannot be read .* remove it to start again"):
        MultiTrialSearch(options("random"), data(), tmp_path).execute()


def test_held_out_images_need_a_labelled_pixel(tmp_path: Path) -> None:
    images = data()
    search = MultiTrialSearch(options("random"), images, tmp_path)
    empty = [images.train.names.index(name) for name in search.held_out.split.names]
    images.train.labels[empty] = 255
    with pytest.raises(InputError, match="no training image held out has a labelled pixel"):
        MultiTrialSearch(options("random"), images, tmp_path)


def test_nothing_is_written_to_nnis_folder_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pretend: list[Architecture]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    MultiTrialSearch(options("nni-evolution"), data(), tmp_path).execute()
    assert not (tmp_path / "home").exists()
    with pytest.raises(ValueError, match="no multi-trial strategy"):
        create_multi_trial("nni-darts", 3, 0)
