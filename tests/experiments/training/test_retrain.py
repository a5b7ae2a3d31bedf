"""Retraining on tiny data: files, weights that load, determinism, learning, and one-line errors."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from experiments.cli import main
from experiments.data import SegmentationData, Split, load
from experiments.data.frequency import class_weights
from experiments.data.streams import val_stream
from experiments.data.transforms import downsample_labels
from experiments.latency import closing
from experiments.metrics.evaluation import evaluate
from experiments.model_file import ModelInfo, load_model
from experiments.options.groups import DataOptions
from experiments.training.losses import OhemCrossEntropy
from experiments.training.retrain import model_cost, take_backbone
from nas_space.architecture import Architecture, baseline1
from nas_space.config import Head, SpaceConfig

TINY = ["--data.size", "32x40", "--data.limit", "16", "--data.batch", "4", "--device", "cpu"]
PLAIN = ["--stages", "encoder", "--train.augmentation", "shift", "--train.loss", "cross-entropy"]


def retrain(out: Path, *arguments: str, network: tuple[str, str] = ("--arch", "baseline1")) -> dict[str, Any]:
    """Run the command and read its summary."""
    assert main(["retrain", *network, *TINY, "--epochs", "2", *arguments, "--out", str(out)]) == 0
    return json.loads((out / "retrain.json").read_text())


def score(model: Path, loss: nn.Module) -> Any:
    data = load(DataOptions(size="32x40", limit=16, batch=4))
    network, info = load_model(model)
    assert (info.classes, info.dataset, info.size) == (data.classes, "streets", (32, 40))
    return evaluate(network, val_stream(data.val, 4, label_stride=1), loss, len(data.classes))


def weights(k: float, stride: int) -> Tensor:
    data = load(DataOptions(size="32x40", limit=16, batch=4))
    return class_weights(downsample_labels(data.train.labels, stride), len(data.classes), k)


def test_saved_weights_give_the_stated_score_of_the_plain_recipe(tmp_path: Path) -> None:
    summary = retrain(tmp_path / "run", *PLAIN, "--epochs", "8")
    scores = score(tmp_path / "run", nn.CrossEntropyLoss(weights(1.2, 8), ignore_index=255))
    assert scores.miou == pytest.approx(summary["miou"], abs=1e-6) and scores.loss == pytest.approx(
        summary["loss"], rel=1e-5
    )
    assert summary["resolution"] == "32x40" and len(summary["per_class"]) == 9
    metrics = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert set(metrics["miou_resolution"]) == {"32x40"}
    assert list(metrics["epoch"]) == list(range(1, 9)) and metrics["loss_w"].iloc[-1] < metrics["loss_w"].iloc[0]
    assert load_model(tmp_path / "run")[1].head == "encoder"


@pytest.mark.parametrize(("stages", "asked"), [(3, "fusion"), (4, "encoder")])
def test_the_head_of_a_search_of_more_stages(
    stages: int, asked: str, tmp_path: Path, deep: Callable[..., SpaceConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[tuple[str, int | None]] = []

    def measured(
        network: Architecture, size: tuple[int, int], classes: int, head: Head, threads: int | None
    ) -> closing.Speed:
        heads.append((head, threads))
        return closing.Speed(10.0, 12.5, "measured by nobody")

    monkeypatch.setattr(closing, "measured", measured)
    (tmp_path / "network.json").write_text(baseline1(deep(stages)).to_json())
    small = ["--data.size", "64x64", "--data.limit", "4", "--epochs", "1", "--threads", "1", "--stages", asked]
    summary = retrain(tmp_path / "run", *small, network=("--arch", str(tmp_path / "network.json")))
    assert summary["head"] == "fusion" and [stage["name"] for stage in summary["stages"]] == ["fusion"]
    assert load_model(tmp_path / "run")[1].head == "fusion"
    assert heads == [("fusion", 1)]  # of the latency in the closing text


def test_the_whole_recipe(tmp_path: Path) -> None:
    """Two stages; the last epoch is the headline, the best one is saved beside it; both files give their scores."""
    run = tmp_path / "run"
    summary = retrain(run, "--epochs", "3", "--train.ema", "0.9", "--train.lr", "0.01")
    assert [(stage["name"], stage["epochs"]) for stage in summary["stages"]] == [("encoder", 3), ("aggregation", 3)]
    assert summary["recipe"]["ema"] == 0.9 and summary["head"] == "aggregation" and summary["peer"] is None
    loss = OhemCrossEntropy(weights(1.1, 1))
    last, best = score(run / "model.safetensors", loss), score(run / "best", loss)
    assert last.miou == pytest.approx(summary["miou"], abs=1e-6) and last.loss == pytest.approx(
        summary["loss"], rel=1e-5
    )
    assert best.miou == pytest.approx(summary["best"]["miou"], abs=1e-6)
    metrics = pd.read_csv(run / "metrics.csv", converters={"miou": float})  # exact with pandas 2 too
    final = metrics[metrics["stage"] == "aggregation"]
    assert (
        summary["best"]["miou"] == final["miou"].max()
        and summary["best"]["epoch"] == final.loc[final["miou"].idxmax(), "epoch"]
    )
    assert metrics["miou"].iloc[-1] == pytest.approx(summary["miou"])
    poly = [0.01 * (1 - epoch / 3) ** 0.9 for epoch in range(3)]
    assert metrics["lr"].tolist() == pytest.approx(poly + poly)
    assert summary["cost"]["params"] == sum(p.numel() for p in load_model(run)[0].parameters())
    assert (run / "figures" / "training.png").read_bytes().startswith(b"\x89PNG")
    events = EventAccumulator(str(run / "tensorboard"), {"images": 0}).Reload()
    validated = metrics.dropna(subset=["miou"])["epoch"].tolist()
    # Each stage has a file. Those of one second are read by their names, of which 10 comes before 9.
    pictures = sorted(events.Images("validation"), key=lambda picture: picture.step)
    assert [picture.step for picture in pictures] == validated
    assert (pictures[-1].height, pictures[-1].width) == (3 * 32, 3 * 40)
    averaged = load_file(run / "model.safetensors")
    raw = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert not torch.equal(averaged["head.classifier.weight"], raw["_model.head.classifier.weight"])


def test_the_second_stage_begins_with_the_backbone_of_the_first() -> None:
    info = ModelInfo(baseline1(SpaceConfig.compact()), "encoder", ("a", "b"), ((0, 0, 0), (1, 1, 1)), (32, 32), "mine")
    first, second = info.build(), replace(info, head="aggregation").build()
    heads = {name: value.clone() for name, value in second.state_dict().items() if name.startswith("head.")}
    take_backbone(second, first)
    own, other = second.state_dict(), first.state_dict()
    assert all(torch.equal(own[name], other[name]) for name in other if not name.startswith("head."))
    assert all(torch.equal(own[name], value) for name, value in heads.items())


def test_same_seed_same_weights(tmp_path: Path) -> None:
    first, second, other = (
        retrain(tmp_path / name, "--seed", seed) for name, seed in (("a", "0"), ("b", "0"), ("c", "1"))
    )
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
    assert first["miou"] == second["miou"] and first["loss"] != other["loss"]


def test_the_validation_set_reaches_no_training_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    retrain(tmp_path / "a", "--train.ema", "0.9")

    def other(options: DataOptions) -> SegmentationData:
        data = load(options)
        return replace(data, val=Split(255 - data.val.images, (data.val.labels + 1) % 9, data.val.names))

    monkeypatch.setattr("experiments.data.load", other)
    retrain(tmp_path / "b", "--train.ema", "0.9")
    assert (
        load_file(tmp_path / "a" / "model.safetensors").keys() == load_file(tmp_path / "b" / "model.safetensors").keys()
    )
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
    losses = [pd.read_csv(tmp_path / name / "metrics.csv")[["loss_w", "val_loss"]] for name in "ab"]
    assert losses[0]["loss_w"].equals(losses[1]["loss_w"]) and not losses[0]["val_loss"].equals(losses[1]["val_loss"])


def test_a_stage_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import experiments.training.monitor as monitor

    scores, real = iter((0.1, 0.4, 0.3, 0.2, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4)), monitor.evaluate
    monkeypatch.setattr(monitor, "evaluate", lambda *arguments: replace(real(*arguments), miou=next(scores)))
    summary = retrain(tmp_path / "run", "--epochs", "5", "--train.patience", "2")
    assert [stage["epochs"] for stage in summary["stages"]] == [
        4,
        5,
    ]  # best in its 2nd epoch, two without a better one; then never
    assert summary["epochs"] == 9 and list(pd.read_csv(tmp_path / "run" / "metrics.csv")["epoch"]) == [
        1,
        2,
        3,
        4,
        6,
        7,
        8,
        9,
        10,
    ]


def test_a_peer_goes_the_same_way(tmp_path: Path) -> None:
    peer = "lraspp_mobilenet_v3_large"
    summary = retrain(tmp_path / "run", "--epochs", "1", network=("--peer", peer))
    assert summary["peer"] == peer and summary["head"] is None
    assert [(stage["name"], stage["epochs"]) for stage in summary["stages"]] == [
        ("peer", 2)
    ]  # as many epochs as the others in all
    scores = score(tmp_path / "run", OhemCrossEntropy(weights(1.1, 1)))
    assert scores.miou == pytest.approx(summary["miou"], abs=1e-6)
    assert not (tmp_path / "run" / "architecture.json").exists() and summary["cost"]["params"] > 3e6


def test_reduced_precision(tmp_path: Path) -> None:
    summary = retrain(tmp_path / "run", "--precision", "bf16", "--train.ema", "0.9")
    assert summary["precision"] == "bf16" and summary["loss"] < 4
    assert all(value.dtype != torch.bfloat16 for value in load_file(tmp_path / "run" / "model.safetensors").values())


def test_the_cost_of_a_network_counted_and_in_closed_form() -> None:
    info = ModelInfo(
        baseline1(SpaceConfig.compact()), "aggregation", ("a", "b"), ((0, 0, 0), (1, 1, 1)), (96, 128), "mine"
    )
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        info.build().eval()(torch.zeros(1, 3, 96, 128))
    assert model_cost(info)["macs_conv"] == counter.get_total_flops() / 2


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--arch", "nowhere.json"], "nowhere.json"),
        (["--arch", "baseline1", "--epochs", "0"], "epochs"),
        (["--arch", "baseline1", "--data.size", "16x16"], "16x16"),
        (["--arch", "baseline1", "--data.name", "mars"], "mars"),
        (["--arch", "baseline1", "--data.name", "camvid", "--data.root", "/nowhere"], "/nowhere"),
        (["--arch", "baseline1", "--train.lr", "0"], "train.lr"),
        (["--arch", "baseline1", "--device", "tpu"], "tpu"),
        (["--arch", "baseline1", "--precision", "16"], "precision"),
        (["--arch", "baseline1", "--data.batch", "1"], "data.batch"),
        (["--arch", "baseline1", "--peer", "erfnet"], "--peer"),
        ([], "--arch"),
        (["--peer", "pspnet"], "pspnet"),
        (["--arch", "baseline1", "--stages", "decoder"], "stages"),
        (["--arch", "baseline1", "--stages", "aggregation,encoder"], "stages"),
        (["--arch", "baseline1", "--train.loss", "dice"], "train.loss"),
        (["--arch", "baseline1", "--train.augmentation", "all"], "train.augmentation"),
        (["--arch", "baseline1", "--train.crop", "8x8"], "8x8"),
        (["--arch", "baseline1", "--train.crop", "64x64", "--train.augmentation", "shift"], "train.crop"),
        (["--arch", "baseline1", "--train.ema", "1"], "train.ema"),
        (["--arch", "erfnet"], "arch: erfnet is a peer, no network of this toolkit; give --peer erfnet"),
        (["--arch", "baseline1", "--train.patience", "-1"], "train.patience"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], culprit: str
) -> None:
    assert main(["retrain", *arguments, "--out", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and culprit in lines[0]
    assert not (tmp_path / "run").exists()


def test_a_width_that_is_no_multiple_of_the_step_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    retrain(tmp_path / "run", "--epochs", "1")
    broken = tmp_path / "broken.json"
    broken.write_text(
        (tmp_path / "run" / "architecture.json").read_text().replace('"width_3x1": 64', '"width_3x1": 61', 1)
    )
    capsys.readouterr()
    assert main(["retrain", "--arch", str(broken), *TINY, "--out", str(tmp_path / "other")]) == 2
    error = capsys.readouterr().err
    assert "broken.json" in error and "width_3x1 is 61" in error and "multiple of 4" in error
    assert not (tmp_path / "other").exists()
