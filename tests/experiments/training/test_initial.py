"""Weights that a training begins with: which tensors fit, what is told, and that a run can go on."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from experiments.cli import main
from experiments.model_file import ModelInfo, load_model, save_weights
from experiments.training.initial import COPY, COUNTER, InitialWeights
from experiments.training.monitor import RetrainMonitor
from nas_space.architecture import Architecture, Layer
from nas_space.config import SpaceConfig
from strategies.narrowing import ParameterChanges, narrow

SPACE = SpaceConfig(4, (8, 12), ((1, 2, 3), (1, 3)), (1, 2, 4), (1, 2), 4, 2)
FULL = Architecture(SPACE, ((Layer(1, 1, 8, 8), Layer(2, 1, 8, 8)), (Layer(1, 1, 12, 12),)))
NARROW = Architecture(SPACE, ((Layer(1, 1, 6, 4), Layer(2, 1, 8, 8)), (Layer(1, 1, 12, 10),)))
DEEP = Architecture(
    replace(SPACE, widths=(8, 12, 16), depths=((1,), (1,), (1,))), tuple((Layer(1, 1, w, w),) for w in (8, 12, 16))
)
CLASSES, COLOURS = ("a", "b"), ((0, 0, 0), (1, 1, 1))
TINY = ["--data.size", "32x40", "--data.limit", "4", "--data.batch", "2", "--device", "cpu", "--epochs", "1"]


def describe(architecture: Architecture, head: Any = "encoder", **changes: Any) -> ModelInfo:
    return replace(ModelInfo(architecture, head, CLASSES, COLOURS, (32, 40), "streets"), **changes)


def made(info: ModelInfo) -> nn.Module:
    """A network without two equal values."""
    network = info.build()
    with torch.no_grad():
        for value in network.state_dict().values():
            value.copy_(torch.rand(value.shape) * (1000 if value.dtype == torch.long else 1))
    return network


def given(source: ModelInfo, target: ModelInfo) -> tuple[Any, Any, Any, dict[str, int]]:
    """Tensors of the source, of the target before and after, and the counts."""
    weights = InitialWeights("RUN", made(source), source)
    network = made(target)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    weights.give(network, target)
    return weights.network.state_dict(), before, network.state_dict(), weights.count([target])


def test_the_same_network_is_taken_over_whole() -> None:
    own, _, after, counts = given(describe(FULL), describe(FULL))
    assert all(torch.equal(after[name], own[name]) for name in own)
    tensors = len([name for name in own if not name.endswith(COUNTER)])
    assert counts == {"whole": tensors, "sliced": 0, "new": 0}


def test_a_narrower_network_has_the_channels_that_narrowing_keeps() -> None:
    own, _, after, counts = given(describe(FULL), describe(NARROW))
    network = describe(FULL).build()
    network.load_state_dict(own)
    for stage, layers in (("stage1", NARROW.stages[0]), ("stage2", NARROW.stages[1])):
        for block, layer in zip(getattr(network, stage), layers, strict=True):
            narrow(block.conv, layer.width_3x1, layer.width_1x3, ParameterChanges())
    expected = network.state_dict()
    assert all(torch.equal(after[name], expected[name]) for name in after)
    # conv3x1 has 2 tensors, conv1x3 and its batch norm 6; in stage 2 the latter alone
    assert counts["sliced"] == 8 + 6 and counts["new"] == 0


def test_a_wider_and_deeper_network_keeps_its_own_values_beyond() -> None:
    deeper = Architecture(SPACE, (FULL.stages[0] + (Layer(4, 1, 8, 8),), FULL.stages[1]))
    own, before, after, counts = given(describe(NARROW), describe(deeper))
    name = "stage1.0.conv.conv1x3.weight"
    assert torch.equal(after[name][:4, :6], own[name])
    assert torch.equal(after[name][4:], before[name][4:]) and torch.equal(after[name][:, 6:], before[name][:, 6:])
    added = [name for name in after if name.startswith("stage1.2.")]
    assert all(torch.equal(after[name], before[name]) for name in added)
    assert counts["new"] == len([name for name in added if not name.endswith(COUNTER)]) and counts["sliced"] == 14


@pytest.mark.parametrize(
    ("source", "target", "same_head"),
    [
        (describe(FULL, "aggregation"), describe(FULL, "aggregation"), True),
        (describe(FULL, "aggregation"), describe(FULL), False),
        (describe(FULL), describe(FULL, "aggregation"), False),
        (describe(DEEP, "fusion"), describe(DEEP, "aggregation"), False),  # both have a head.classifier.bias
    ],
    ids=("the same head", "a search's", "that of a finished network", "three stages"),
)
def test_a_head_fits_the_same_head(source: ModelInfo, target: ModelInfo, same_head: bool) -> None:
    own, before, after, _ = given(source, target)
    heads = [name for name in after if name.startswith("head.") and not name.endswith(COUNTER)]
    expected = own if same_head else before
    assert heads and all(torch.equal(after[name], expected[name]) for name in heads)
    assert all(torch.equal(after[name], own[name]) for name in after if not name.startswith("head."))


@pytest.mark.parametrize("classes", [("a", "b", "c"), ("b", "a")])
@pytest.mark.parametrize("head", ["encoder", "aggregation"])
def test_other_classes_have_a_new_classifier(head: Any, classes: tuple[str, ...]) -> None:
    target = describe(FULL, head, classes=classes, colours=((0, 0, 0),) * len(classes))
    own, before, after, counts = given(describe(FULL, head), target)
    classifier = [name for name in after if name in ("head.weight", "head.bias") or ".classifier." in name]
    assert len(classifier) == counts["new"] == 2 and counts["sliced"] == 0
    assert all(torch.equal(after[name], before[name]) for name in classifier)
    assert all(torch.equal(after[name], own[name]) for name in after if name not in classifier)


def test_nothing_is_sliced_between_stages_of_other_widths() -> None:
    space = replace(SPACE, widths=(8, 16))
    target = Architecture(space, (FULL.stages[0], (Layer(1, 1, 16, 16),)))
    _, before, after, counts = given(describe(FULL), describe(target))
    assert counts["sliced"] == 0 and counts["whole"] > 0
    assert torch.equal(after["stage2.0.conv.conv3x1.weight"], before["stage2.0.conv.conv3x1.weight"])


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained network with the head of a search."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "full.json").write_text(FULL.to_json())
    (folder / "narrow.json").write_text(NARROW.to_json())
    arguments = ["--arch", str(folder / "full.json"), "--stages", "encoder", "--train.lr", "0.01"]
    assert main(["retrain", *TINY, *arguments, "--out", str(folder / "run")]) == 0
    return folder


def retrain(out: Path, *arguments: str) -> dict[str, Any]:
    assert main(["retrain", *TINY, *arguments, "--out", str(out)]) == 0
    return json.loads((out / "retrain.json").read_text())


def test_a_training_begins_where_the_other_ended(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A learning rate near 0 changes nothing."""
    arguments = ["--arch", str(first / "full.json"), "--train.lr", "1e-12", "--init", str(first / "run")]
    summary = retrain(tmp_path / "encoder", *arguments, "--stages", "encoder")
    before, after = (load_model(run)[0].state_dict() for run in (first / "run", tmp_path / "encoder"))
    weights = [name for name in before if "running" not in name and not name.endswith(COUNTER)]
    assert all(torch.allclose(after[name], before[name], atol=1e-6) for name in weights)
    assert summary["init"]["from"] == str(first / "run") and summary["init"]["new"] == 0
    assert f"init        {first / 'run'}: tensors {summary['init']['whole']} whole, 0 sliced, 0 new\n" in (
        capsys.readouterr().out
    )
    both = retrain(tmp_path / "both", *arguments)
    whole = load_model(tmp_path / "both")[0].state_dict()
    backbone = [name for name in weights if not name.startswith("head.")]
    assert all(torch.allclose(whole[name], before[name], atol=1e-6) for name in backbone)
    heads = [name for name in whole if name.startswith("head.") and not name.endswith(COUNTER)]
    assert both["init"]["new"] == len(heads) and both["init"]["whole"] == summary["init"]["whole"]
    again = retrain(tmp_path / "again", *arguments[:-1], str(tmp_path / "both" / "best"), "--stages", "aggregation")
    assert again["init"]["new"] == 0


@pytest.mark.parametrize("copied", [True, False], ids=("after its first epoch", "before the copy"))
def test_a_killed_training_goes_on_though_the_other_is_gone(
    copied: bool, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    shutil.copytree(first / "run", source)
    arguments = ["--arch", str(first / "narrow.json"), "--init", str(source)]
    retrain(tmp_path / "whole", *arguments)
    start, keep, run = RetrainMonitor.on_train_epoch_start, InitialWeights.keep, tmp_path / "run"

    def die(self: Any, *_: Any) -> None:
        if not copied or self.stage.first == 1:
            raise RuntimeError("killed")
        start(self, *_)

    owner, name = (RetrainMonitor, "on_train_epoch_start") if copied else (InitialWeights, "keep")
    monkeypatch.setattr(owner, name, die)
    assert main(["retrain", *TINY, *arguments, "--out", str(run)]) == 1
    monkeypatch.setattr(owner, name, start if copied else keep)
    if copied:
        shutil.rmtree(source)
    assert (run / COPY).is_file() == copied
    assert main(["retrain", "--resume", str(run)]) == 0
    assert (run / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    summaries = [json.loads((folder / "retrain.json").read_text())["init"] for folder in (run, tmp_path / "whole")]
    assert summaries[0] == summaries[1] and summaries[0]["sliced"] == 14 and summaries[0]["from"] == str(source)


def test_what_does_not_fit_or_is_no_network_is_one_line(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = ModelInfo(None, None, CLASSES, COLOURS, (32, 40), "streets", "lraspp_mobilenet_v3_large")
    save_weights(tmp_path / "peer.safetensors", peer.build(), peer)
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04]\x94.")
    for init, culprit in (
        (tmp_path / "peer.safetensors", "no tensor of"),
        (tmp_path / "pickle.safetensors", "damaged"),
        (tmp_path / "nowhere", "no such file"),
    ):
        capsys.readouterr()
        out = ["--out", str(tmp_path / "run")]
        assert main(["retrain", *TINY, "--arch", str(first / "full.json"), "--init", str(init), *out]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and "init: " in lines[0] and culprit in lines[0] and str(init) in lines[0]
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["race", "landscape", "compare", "benchmark training"])
def test_only_a_training_takes_initial_weights(
    command: str, first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [] if command.startswith("benchmark") else ["--out", str(tmp_path / "out")]
    assert main([*command.split(), "--init", str(first / "run"), *out]) == 2
    assert "init" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_training_without_them_tells_nothing_of_them(first: Path) -> None:
    assert "init" not in json.loads((first / "run" / "retrain.json").read_text())
    assert not (first / "run" / COPY).exists()
