"""A comparison end to end in child processes, and its reuse of what is there."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forked import ForkServer

from experiments.cli import main
from experiments.commands.retrain import Options as RetrainCommand
from experiments.options.arguments import parse
from experiments.options.groups import TrainOptions
from experiments.runs.child_runs import ChildRun, Failure
from experiments.runs.lock import locked
from experiments.search.comparison import ComparisonOptions, check_comparison, planned_searches, unfollowed
from experiments.search.comparison_networks import matched
from experiments.search.comparison_runs import retrain_run, search_run
from experiments.search.options import SearchOptions
from nas_space.architecture import Architecture, Layer, baseline1
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.errors import InputError
from strategies.method import MethodOptions
from strategies.registry import OF_SSR

SMALL = ["--space.widths", "20,24,32", "--space.depths", "[[1, 2], [1], [1, 2]]", "--space.dilations", "1,2"]
SMALL += ["--space.span", "8"]
TINY = [*SMALL, "--data.size", "32x40", "--data.limit", "8", "--data.batch", "4", "--device", "cpu"]
TINY += ["--epochs", "1", "--retrain_epochs", "1"]
COUNTS = ["--strategies", "ssr", "--seeds", "0", "--random", "1", "--control", "true"]


@pytest.mark.slow
def test_one_table_and_nothing_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str], forked: ForkServer) -> None:
    out = tmp_path / "compare"
    with forked():
        assert main(["compare", *TINY, *COUNTS, "--out", str(out)]) == 0
    rows = {row["network"]: row for row in json.loads((out / "compare.json").read_text())["rows"]}
    assert set(rows) == {"ssr-0", "shuffled-0", "baseline1", "random-0"}
    assert all(row["retrained"] is not None for row in rows.values())
    assert rows["ssr-0"]["search_miou"] is not None and rows["random-0"]["search_miou"] is None
    assert (out / "entropy.png").is_file() and (out / "compare.md").is_file() and (out / "compare.csv").is_file()

    proofs = {
        path: path.stat().st_mtime_ns for path in out.rglob("*.json") if path.name in ("search.json", "retrain.json")
    }
    (out / "retrain" / "baseline1-seed0" / "retrain.json").unlink()
    assert main(["compare", *TINY, *COUNTS, "--out", str(out)]) == 0
    changed = {path.parent.name for path, time in proofs.items() if path.stat().st_mtime_ns != time}
    assert changed == {"baseline1-seed0"}
    again = {row["network"]: row for row in json.loads((out / "compare.json").read_text())["rows"]}
    assert again["baseline1"] == rows["baseline1"]

    capsys.readouterr()
    assert main(["compare", *TINY, *COUNTS, "--train.lr", "0.01", "--out", str(out)]) == 2
    assert "'train.lr' (0.001, now 0.01)" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "what"), OF_SSR.items())
def test_those_strategies_follow_an_option_of_ssr_that_can(option: str, what: str) -> None:
    strategies, method = ["darts", "ssr", "random", "ssr-l1", "sgas-ssr"], MethodOptions(**{option: True})
    options = ComparisonOptions(strategies=strategies, seeds=[1], control=True, method=method)
    check_comparison(options)
    searches = planned_searches(options)
    assert {name for name, search in searches.items() if getattr(search.method, option)} == {"ssr-1", "ssr-l1-1"}
    with pytest.raises(InputError, match=rf"method.{option}: none of darts, random can {what}; leave it out"):
        check_comparison(replace(options, strategies=["darts", "random"]))


def test_what_a_strategy_searches_without_is_told_before_the_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> None:
        raise InputError("stopped")

    monkeypatch.setattr("experiments.search.comparison_runs.run_all", stop)
    arguments = ["--strategies", "ssr,darts", "--method.ramp", "0.2", "--random", "0", "--out", str(tmp_path / "out")]
    assert main(["compare", *TINY, *arguments]) == 2
    assert "note: darts searches without method.ramp\n" in capsys.readouterr().err


def test_strategies_that_search_without_an_option_are_told() -> None:
    method = MethodOptions(stagger=True, ramp=0.2, explore=0.2)
    options = ComparisonOptions(strategies=["ssr", "darts", "random"], method=method)
    assert unfollowed(options) == [
        "darts searches without method.stagger, method.ramp",
        "random-search searches without method.stagger, method.ramp",
    ]


def test_networks_are_retrained_by_the_recipe_of_a_search(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    options = replace(ComparisonOptions(), retrain_epochs=7, train=TrainOptions(lr=0.02))
    child = retrain_run(tmp_path, options, "found", tmp_path / "architecture.json", 3)
    config = next(argument for argument in child.arguments if argument.startswith("--config="))
    own, _ = parse("ssr-nas retrain", "", RetrainCommand, [config])
    assert (own.stages, own.epochs, own.seed, own.train.lr) == (["encoder"], 7, 3, 0.02)
    assert (own.train.augmentation, own.train.loss, own.train.ema, own.train.patience) == (
        "shift",
        "cross-entropy",
        0.0,
        0,
    )


def test_an_unfinished_retraining_is_continued(tmp_path: Path) -> None:
    run = tmp_path / "retrain" / "found-seed3"
    run.mkdir(parents=True)
    (tmp_path / "configs").mkdir()
    child = retrain_run(
        tmp_path, ComparisonOptions(), "found", tmp_path / "architecture.json", 3
    )  # killed before it had begun
    assert f"--out={run}" in child.arguments
    (run / "config.yml").write_text("")
    child = retrain_run(tmp_path, ComparisonOptions(), "found", tmp_path / "architecture.json", 3)
    assert child == ChildRun(("retrain", f"--resume={run}"), run / "retrain.json")
    assert [path.name for path in run.parent.iterdir()] == [run.name]


def test_an_unfinished_search_of_nni_is_set_aside_unless_a_process_works_in_it(tmp_path: Path) -> None:
    run = tmp_path / "search" / "nni-darts-0"
    run.mkdir(parents=True)
    (run / "config.yml").write_text("")
    options = SearchOptions(strategy="nni-darts")
    with locked(run), pytest.raises(InputError, match="is working in this run"):
        search_run(tmp_path, run.name, options)
    assert (run / "config.yml").is_file()
    assert f"--out={run}" in search_run(tmp_path, run.name, options).arguments
    assert sorted(path.name for path in run.parent.iterdir()) == ["nni-darts-0.unfinished1"]
    run.mkdir()
    (run / "search.json").write_text("{}")
    search_run(tmp_path, run.name, options)
    assert (run / "search.json").is_file()


@pytest.mark.parametrize(
    "files",
    [
        {"config.yml": "strategy: ssr\nout: runs/ssr\n", "metrics.csv": "epoch\n"},
        {"config.yml": "# mine\nstrategies: [ssr]\n"},
        {"notes.txt": "mine"},
        {".hidden": ""},
    ],
    ids=["a search", "options by hand", "no config", "hidden"],
)
def test_a_folder_of_something_else_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str]
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert main(["compare", *TINY, *COUNTS, "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"--out {tmp_path}: holds files already" in line
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for out in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "below"):
        assert main(["compare", *TINY, *COUNTS, "--out", str(out)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert f"--out {out}: cannot be made" in line
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(("codes", "code"), [([2, 2], 2), ([2, 1], 1), ([-9], 1)])
def test_failures_of_the_runs_and_one_comparison_at_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, codes: list[int], code: int
) -> None:
    def run_children(runs: list[ChildRun], workers: int, title: str) -> list[Failure]:
        with pytest.raises(InputError, match="is working in this run"), locked(tmp_path):
            pytest.fail("two comparisons in one folder")
        return [Failure(code, f"search {number}: why") for number, code in enumerate(codes)]

    monkeypatch.setattr("experiments.search.comparison_runs.run_children", run_children)
    (tmp_path / ".config.yml.0123.tmp").write_text("")  # left by one that was killed at its start
    for _ in range(2):
        assert main(["compare", *TINY, *COUNTS, "--out", str(tmp_path)]) == code
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "search 0: why" in line and f"search {len(codes) - 1}: why" in line
        assert ("SSR_NAS_DEBUG" in line) == (code == 1)


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--strategies", "ssr,nothing"], "nothing"),
        (["--references", "baseline9"], "baseline9"),
        (["--workers", "0"], "workers"),
        (["--seeds", "[]"], "seed"),
        (["--method.h", "1.5"], "method.h"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], culprit: str
) -> None:
    assert main(["compare", *arguments, "--out", str(tmp_path / "compare")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and culprit in lines[0]
    assert not (tmp_path / "compare").exists()


def test_a_matched_network_costs_as_much_and_no_more() -> None:
    network = baseline1(SpaceConfig.compact())
    limit = cost(network, (64, 64), 9).macs_total
    found = {matched(network, (64, 64), f"seed {seed}") for seed in range(3)}
    assert len(found) == 3 and matched(network, (64, 64), "seed 0") in found
    assert all(0.9 * limit <= cost(drawn, (64, 64), 9).macs_total <= limit for drawn in found)


def test_a_matched_network_where_none_fits_is_the_next_below_or_the_cheapest() -> None:
    space = SpaceConfig.compact()
    largest = Architecture(
        space, tuple((Layer(1, 1, w, w),) * d[-1] for w, d in zip(space.widths, space.depths, strict=True))
    )
    smallest = Architecture(
        space, tuple((Layer(1, 2, w - 16, w - 16),) * d[0] for w, d in zip(space.widths, space.depths, strict=True))
    )
    drawn = [Architecture.random(space, generator) for generator in [random.Random("a")] for _ in range(20)]
    macs = sorted(cost(network, (64, 64), 1).macs_total for network in drawn)
    for network, expected in ((largest, macs[-1]), (smallest, macs[0])):
        assert cost(matched(network, (64, 64), "a", share=1.0, draws=20), (64, 64), 1).macs_total == expected
