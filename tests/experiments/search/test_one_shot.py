"""A whole search on tiny data, through NNI: files, gap, resume, determinism."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.benchmark.networks.networks import find_networks
from experiments.cli import main
from experiments.data import load
from experiments.data.streams import val_stream
from experiments.metrics.evaluation import evaluate
from experiments.model_file import load_model
from experiments.options.groups import DataOptions
from experiments.runs.lock import LOCK
from experiments.runs.probabilities import read_probabilities
from experiments.search.one_shot import Search
from nas_space.architecture import Architecture, baseline1
from nas_space.cost import cost
from nas_space.network import SegmentationNetwork

SMALL = ["--space.dilations", "1,2", "--space.depths", "[[1, 2], [2, 3]]", "--space.span", "8"]
TINY = ["--data.size", "32x40", "--data.limit", "8", "--data.batch", "2", "--epochs", "4", "--device", "cpu", *SMALL]
DECIDE = [
    "--method.lr",
    "1.5",
    "--method.h",
    "0.6",
    "--method.rescale",
    "true",
    "--method.warmup",
    "0",
    "--method.explore",
    "0",
]


def search(out: Path, *arguments: str) -> dict[str, Any]:
    """Run the command and read its summary."""
    assert main(["search", *TINY, *arguments, "--out", str(out)]) == 0
    return json.loads((out / "search.json").read_text())


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory, drawing: Callable[[], AbstractContextManager[None]]) -> Path:
    """A search that becomes discrete: a large learning rate and threshold decide within its few steps."""
    out = tmp_path_factory.mktemp("runs") / "decided"
    finish = Search._finish

    def record(self: Search, *arguments: Any) -> dict[str, Any]:
        summary = finish(self, *arguments)
        with torch.no_grad():
            torch.save(self.space.eval()(images()), out.parent / "logits.pt")
        return summary

    with drawing(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Search, "_finish", record)
        search(out, *DECIDE)
    return out


def images() -> torch.Tensor:
    return torch.randn(2, 3, 32, 40, generator=torch.Generator().manual_seed(5))


def test_the_run_folder_is_complete(decided: Path) -> None:
    names = {path.name for path in decided.iterdir()}
    assert names >= {
        "config.yml",
        "search.json",
        "architecture.json",
        "metrics.csv",
        "checkpoints",
        "figures",
        "report.html",
    }
    assert (decided / "checkpoints" / "last.ckpt").is_file()
    assert (decided / "figures" / "probabilities.png").is_file()
    metrics = pd.read_csv(decided / "metrics.csv")
    assert metrics["epoch"].tolist() == [1, 2, 3, 4]
    logged = read_probabilities(decided, Architecture.load(decided / "architecture.json").space)
    assert logged is not None and logged[0].tolist() == [1, 2, 3, 4]
    curve = EventAccumulator(str(decided / "tensorboard")).Reload().Scalars("prob/stage2/layer1/op/d1s1")
    row = Architecture.load(decided / "architecture.json").space.layers[0]
    assert [point.step for point in curve] == [1, 2, 3, 4]
    assert [point.value for point in curve] == pytest.approx(logged[1].operator[:, row, 0].tolist())
    entropy = -sum(torch.special.xlogy(level, level).flatten(1).sum(-1) for level in logged[1])
    assert torch.as_tensor(entropy).tolist() == pytest.approx(metrics["entropy"].tolist(), abs=1e-3)


def test_ends_discrete_by_threshold_with_no_gap(decided: Path) -> None:
    summary = json.loads((decided / "search.json").read_text())
    assert summary["discrete"] and summary["discrete_epoch"] < 4
    assert {removal["rule"] for removal in summary["removals"]} <= {"threshold", "cascade"}
    assert summary["entropy"]["final"] == 0.0
    assert abs(summary["gap"]["loss_supernet"] - summary["gap"]["loss_derived"]) <= 1e-4
    assert summary["gap"]["max_logit_difference"] <= 1e-4
    assert summary["miou"]["supernet"] == summary["miou"]["derived"]
    assert summary["gap_before"]["epoch"] <= summary["discrete_epoch"]
    alive = pd.DataFrame(summary["alive"])
    assert (alive.drop(columns="epoch").diff().dropna() <= 0).all(axis=None)
    assert len(summary["time"]["epoch_s"]) == 4


def test_the_architecture_builds_and_has_the_stated_cost(decided: Path) -> None:
    architecture = Architecture.load(decided / "architecture.json")
    summary = json.loads((decided / "search.json").read_text())
    classes = len(json.loads(json.dumps(summary))["space"]) and 10
    network = SegmentationNetwork(architecture, classes)
    head = network.head.weight.shape[0] * 64 + network.head.weight.shape[0]  # type: ignore[union-attr, index, operator]
    without_head = sum(parameter.numel() for parameter in network.parameters()) - head
    stated = summary["cost"]["params"]
    assert (stated - without_head) % 65 == 0  # what is left is a 1x1 classifier of 64 inputs and a bias for each class


def test_the_weights_are_those_of_the_super_network(decided: Path) -> None:
    network, info = load_model(decided)
    with torch.no_grad():
        difference = network(images()) - torch.load(decided.parent / "logits.pt", weights_only=True)
    assert difference.abs().max() <= 1e-4
    assert info.architecture == Architecture.load(decided / "architecture.json") and info.head == "encoder"
    assert json.loads((decided / "search.json").read_text())["weights"] == "model.safetensors"


def test_every_discrete_snapshot_has_the_weights_that_it_is_scored_with(decided: Path) -> None:
    summary = json.loads((decided / "search.json").read_text())
    rows = json.loads((decided / "pareto.json").read_text())["networks"]
    trained = [row for row in rows if "weights" in row]
    assert [row["epoch"] for row in trained] == sorted({summary["discrete_epoch"], 4}) and len(rows) > len(trained)
    validation = val_stream(load(DataOptions(size="32x40", limit=8, batch=2)).val, 2)
    for row in trained:
        network, info = load_model(decided / row["weights"])
        assert info.architecture == Architecture.load(decided / row["file"])
        scores = evaluate(network, validation, torch.nn.CrossEntropyLoss(ignore_index=255), 9)
        assert scores.miou == pytest.approx(row["miou"], abs=1e-6)


@pytest.mark.usefixtures("real_figures")
def test_a_search_is_evaluated_and_exported_like_a_training(
    decided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    miou = json.loads((decided / "search.json").read_text())["miou"]
    capsys.readouterr()
    checkpoint = ["--checkpoint", str(decided)]
    assert main(["evaluate", *checkpoint, "--data.limit", "8", "--device", "cpu", "--json"]) == 0
    scored = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scored["miou"] == pytest.approx(miou["derived_full"], abs=1e-6)
    assert main(["export", *checkpoint, "--format", "torchscript", "--out", str(tmp_path / "model.pt")]) == 0
    (network,) = find_networks([str(decided)], None, None)
    assert network.trained and network.classes == 9
    figures = ["--count", "1", "--device", "cpu", "--data.limit", "1", "--out", str(tmp_path / "figures")]
    assert main(["figures", *checkpoint, *figures]) == 0
    again = ["retrain", "--arch", str(decided / "architecture.json"), "--init", str(decided), "--stages", "encoder"]
    again += ["--data.size", "32x40", "--data.limit", "4", "--data.batch", "2", "--epochs", "1", "--device", "cpu"]
    assert main([*again, "--out", str(tmp_path / "again")]) == 0
    taken = json.loads((tmp_path / "again" / "retrain.json").read_text())["init"]
    assert taken["whole"] > 20 and taken["sliced"] == taken["new"] == 0
    picture = next((tmp_path / "figures").rglob("*.png"))
    assert main(["predict", *checkpoint, str(picture), "--device", "cpu", "--out", str(tmp_path / "maps")]) == 0


def test_a_search_without_decisions_is_cut_by_argmax_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = search(tmp_path / "darts", "--strategy", "darts", "--epochs", "1")
    assert "weights         none are kept: the search was not discrete" in capsys.readouterr().out
    assert summary["weights"] is None and not list((tmp_path / "darts").rglob("*.safetensors"))
    assert main(["evaluate", "--checkpoint", str(tmp_path / "darts")]) == 2
    assert "this search did not end discrete, so it left none" in capsys.readouterr().err
    assert not summary["discrete"] and summary["discrete_epoch"] is None
    assert {removal["rule"] for removal in summary["removals"]} == {"argmax"}
    assert summary["entropy"]["final"] > 50
    assert summary["gap_before"]["epoch"] == 1


def same(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Assert that two summaries differ in time and memory only."""
    for key in ("removals", "entropy", "miou", "gap", "gap_before", "cost", "alive", "discrete_epoch"):
        assert first[key] == second[key], key


def test_same_seed_same_result_and_another_seed_another(tmp_path: Path, decided: Path) -> None:
    again, other = search(tmp_path / "again", *DECIDE), search(tmp_path / "other", *DECIDE, "--seed", "1")
    first = json.loads((decided / "search.json").read_text())
    same(first, again)
    assert (tmp_path / "again" / "architecture.json").read_bytes() == (decided / "architecture.json").read_bytes()
    assert other["miou"] != first["miou"]


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_killed_search_resumes_to_the_same_end(
    tmp_path: Path, decided: Path, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import experiments.search.monitor as monitor

    start = monitor.SearchMonitor.on_train_epoch_start

    def die(self: monitor.SearchMonitor, trainer: Any, module: Any) -> None:
        if trainer.current_epoch == stop:
            raise RuntimeError("killed")
        start(self, trainer, module)

    out = tmp_path / "run"
    monkeypatch.setattr(monitor.SearchMonitor, "on_train_epoch_start", die)
    assert main(["search", *TINY, *DECIDE, "--out", str(out)]) == 1
    assert not (out / "search.json").exists() and not (out / "model.safetensors").exists()
    monkeypatch.setattr(monitor.SearchMonitor, "on_train_epoch_start", start)
    assert main(["search", "--resume", str(out)]) == 0
    same(json.loads((decided / "search.json").read_text()), json.loads((out / "search.json").read_text()))
    for file in ("model.safetensors", *(str(path.relative_to(decided)) for path in decided.rglob("snapshots/*"))):
        assert (out / file).read_bytes() == (decided / file).read_bytes()
    columns = [column for column in pd.read_csv(out / "metrics.csv").columns if not column.startswith("seconds")]
    pd.testing.assert_frame_equal(
        pd.read_csv(out / "metrics.csv")[columns], pd.read_csv(decided / "metrics.csv")[columns]
    )
    weights = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (out, decided)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[1])


def test_resume_before_the_first_checkpoint_starts_again(tmp_path: Path, decided: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    shutil.copy(decided / "config.yml", out)
    assert main(["search", "--resume", str(out)]) == 0
    same(json.loads((decided / "search.json").read_text()), json.loads((out / "search.json").read_text()))


@pytest.mark.parametrize("is_read_only", [False, True])
def test_resume_of_a_complete_run_changes_nothing(
    is_read_only: bool, decided: Path, read_only: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in decided.rglob("*") if path.name != LOCK}

    before = files()
    if is_read_only:
        read_only()
    assert main(["search", "--resume", str(decided)]) == 0
    assert "complete" in capsys.readouterr().out
    assert files() == before


def test_a_damaged_checkpoint_is_refused_in_one_line(
    tmp_path: Path, decided: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    (out / "checkpoints").mkdir(parents=True)
    shutil.copy(decided / "config.yml", out)
    (out / "checkpoints" / "last.ckpt").write_bytes((decided / "checkpoints" / "last.ckpt").read_bytes()[:5000])
    assert main(["search", "--resume", str(out)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "last.ckpt" in error and error.startswith("ssr-nas search: error:")


@pytest.mark.usefixtures("real_figures")
def test_resume_after_a_kill_before_the_report_writes_it(tmp_path: Path, decided: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(decided, out)
    (out / "report.html").unlink()
    assert main(["search", "--resume", str(out)]) == 0
    pages = [(run / "report.html").read_text().replace(str(out), str(decided)) for run in (out, decided)]
    assert pages[0] == pages[1]  # besides the run's own path, which the next command names


def test_an_option_that_changed_since_the_checkpoint_is_named(
    tmp_path: Path, decided: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(decided, out)
    (out / "search.json").unlink()
    config = out / "config.yml"
    config.write_text(config.read_text().replace("seed: 0", "seed: 7"))
    assert main(["search", "--resume", str(out)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "seed" in error and "last.ckpt" in error


def test_snapshots_are_networks_with_their_cost_and_a_front(decided: Path) -> None:
    networks = json.loads((decided / "pareto.json").read_text())["networks"]
    shrinks = {removal["epoch"] for removal in json.loads((decided / "search.json").read_text())["removals"]}
    assert [row["epoch"] for row in networks] == sorted(shrinks | {4})
    for row in networks:
        snapshot = Architecture.load(decided / row["file"])
        assert cost(snapshot, (32, 40), 9).macs_total == row["macs_total"]
    assert Architecture.load(decided / networks[-1]["file"]) == Architecture.load(decided / "architecture.json")
    assert any(row["front"] for row in networks) and (decided / "figures" / "pareto.png").is_file()


def test_cost_is_counted_at_the_size_that_is_asked_for(tmp_path: Path) -> None:
    summary = search(tmp_path / "run", "--epochs", "1", "--cost.size", "512x1024")
    found = Architecture.load(tmp_path / "run" / "architecture.json")
    assert summary["cost"]["size"] == "512x1024"
    assert summary["cost"]["macs_total"] == cost(found, (512, 1024), 9).macs_total


@pytest.mark.parametrize("bound", ["0.9M", "1M", "1.2M"])
def test_a_bound_on_the_cost_is_met(
    tmp_path: Path, bound: str, decided: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = search(tmp_path / "run", *DECIDE, "--constraint.macs", bound)
    limit = float(bound[:-1]) * 1e6
    free = json.loads((decided / "search.json").read_text())["cost"]["macs_total"]
    assert summary["cost"]["macs_total"] <= limit
    assert summary["constraint"]["macs"] == {"limit": limit, "found": summary["cost"]["macs_total"], "met": True}
    told = capsys.readouterr()
    assert f"{limit:,.0f}   on macs: found {summary['cost']['macs_total']:,.0f}, met" in told.out
    assert told.out.startswith(f"run folder      {tmp_path / 'run'}\n")  # known to whoever interrupts it
    assert free > 0
    network = Architecture.load(tmp_path / "run" / "architecture.json")
    final = cost(network, (32, 40), 9, "aggregation")
    assert f"{final.params:,.0f}   parameters, {final.macs_total:,.0f} MACs: it adds the aggregation head" in told.out
    assert f"retrain adds the aggregation head: {final.macs_total:,.0f} then, NOT MET" in told.out


def test_with_the_head_of_a_retraining_everything_counts_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bounds = ["--constraint.macs", "2.9M", "--constraint.params", "1M", "--constraint.head", "aggregation"]
    summary = search(tmp_path / "run", *DECIDE, *bounds)
    told = capsys.readouterr().out
    network = Architecture.load(tmp_path / "run" / "architecture.json")
    exact = cost(network, (32, 40), 9, "aggregation")
    assert summary["cost"]["macs_total"] == summary["constraint"]["macs"]["found"] == exact.macs_total <= 2.9e6
    assert summary["cost"]["params"] == summary["constraint"]["params"]["found"] == exact.params
    assert summary["cost"]["head"] == "aggregation"
    last = json.loads((tmp_path / "run" / "pareto.json").read_text())["networks"][-1]
    assert last["params"] == exact.params and last["macs_total"] == last["macs"] == exact.macs_total
    rows = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert rows["expected_macs"].iloc[-1] == pytest.approx(exact.macs_total, rel=0.2)
    assert (
        f"{exact.params / cost(baseline1(network.space), (32, 40), 9, 'aggregation').params:.2f} of baseline1" in told
    )
    assert "after retrain" not in told and "retrain adds" not in told


def test_a_bound_that_is_kept_after_retrain_as_well_is_told_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search(tmp_path / "run", *DECIDE, "--constraint.macs", "90M")
    told = capsys.readouterr().out
    assert "after retrain" in told and "retrain adds" not in told


@pytest.mark.parametrize(("key", "value"), [("macs", "0.1M"), ("params", "1K")])
def test_a_bound_below_the_smallest_network_is_refused(
    tmp_path: Path, key: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", *TINY, f"--constraint.{key}", value, "--out", str(tmp_path / "run")]) == 2
    assert f"constraint.{key}" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_nothing_is_read_from_or_written_to_nnis_folder_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "nni-experiments").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    manifest = home / "nni-experiments" / ".experiment"
    manifest.write_text("not a manifest")
    search(tmp_path / "run", "--epochs", "1")
    assert manifest.read_text() == "not a manifest"
    assert [path.name for path in (home / "nni-experiments").iterdir()] == [".experiment"]


def test_both_streams_are_told_every_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.data.streams import BatchStream

    told: list[tuple[int, int]] = []
    monkeypatch.setattr(BatchStream, "set_epoch", lambda self, epoch: told.append((self.stream, epoch)))
    search(tmp_path / "run", "--epochs", "2")
    assert told == [(0, 0), (1, 0), (0, 1), (1, 1)]


@pytest.mark.parametrize(("split", "shared"), [([], 2), (["--method.arch_split", "0.5"], 0)], ids=["same", "halves"])
def test_one_batch_serves_both_levels_while_parts_are_equal(tmp_path: Path, split: list[str], shared: int) -> None:
    search(tmp_path / "run", "--method.warmup", "0", "--method.explore", "0.5", *split)
    rows = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert (rows.loss_w == rows.loss_a).tolist() == [True] * shared + [False] * (4 - shared)
