"""Targets of cost in a search: one, several with their front, and what is refused."""

import json
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.options.groups import DataOptions, TargetOptions, comparable
from experiments.options.quantity import Quantity
from experiments.runs.files import plain
from experiments.search.bounds import make_constraint
from experiments.search.options import SearchOptions
from experiments.search.samplers import sample_networks
from experiments.search.targets import front_rows, front_table
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from tests.experiments.search.test_bounds import table

SMALL = ["--space.dilations", "1,2", "--space.depths", "[[1, 2], [2, 3]]", "--space.span", "8"]
TINY = ["--data.size", "32x40", "--data.limit", "8", "--data.batch", "4", "--epochs", "2", "--device", "cpu", *SMALL]
DECIDE = ["--method.lr", "1.5", "--method.h", "0.6", "--method.warmup", "0", "--method.explore", "0"]


@pytest.mark.slow
def test_several_targets_leave_a_front_and_go_on(
    tmp_path: Path, read_only: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "front"
    assert main(["search", *TINY, *DECIDE, "--target.macs", "2M,2.6M", "--out", str(out)]) == 0
    networks = json.loads((out / "front.json").read_text())["networks"]
    assert [row["run"] for row in networks] == ["macs-2M", "macs-2.6M"] and any(row["front"] for row in networks)
    for row in networks:
        found = cost(Architecture.load(out / row["run"]), (32, 40), 9).macs_total
        assert row["found"] == found and row["ratio"] == found / row["target"] and 0.93 <= row["ratio"] <= 1.0
        assert row["met"]
    assert (out / "figures" / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "front of 2 targets" in capsys.readouterr().out
    kept = (out / "macs-2M" / "search.json").read_bytes()
    for name in ("search.json", "report.html"):  # as if it had been killed before the end of the second
        (out / "macs-2.6M" / name).unlink()
    (out / "front.json").unlink()
    assert main(["search", "--resume", str(out)]) == 0
    assert (out / "macs-2M" / "search.json").read_bytes() == kept
    again = json.loads((out / "front.json").read_text())["networks"]
    assert [row["found"] for row in again] == [row["found"] for row in networks]
    read_only()
    assert main(["search", "--resume", str(out)]) == 0


def test_a_search_says_for_which_device_it_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = table(SpaceConfig(16, (32, 64), ((1, 2), (2, 3)), (1, 2), (1, 2), 8, 4), 9)
    (tmp_path / "board.json").write_text(made.to_json())
    middle = made.predict(Architecture.random(made.space, random.Random(0)))
    clock = "onnxruntime, fp32, 1 thread, 32x40, encoder head, on paper"
    given = [f"{middle:.4f},{1.1 * middle:.4f}", "--constraint.table", str(tmp_path / "board.json"), "--epochs", "1"]
    out = tmp_path / "run"
    assert main(["search", *TINY, "--target.latency_ms", *given, "--out", str(out)]) == 0
    for row in json.loads((out / "front.json").read_text())["networks"]:
        run = out / row["run"]
        assert row["clock"] == clock == json.loads((run / "search.json").read_text())["clock"]
        assert clock in (run / "report.html").read_text()
    assert f"latency_ms of {clock}; mIoU" in capsys.readouterr().out


@pytest.mark.parametrize("macs", ["1.3M", "2M", "3.2M"])
def test_random_search_draws_inside_of_the_band(macs: str) -> None:
    target = TargetOptions(macs=[Quantity(macs)])
    options = SearchOptions(strategy="random", data=DataOptions(size="32x40"), target=target)
    constraint = make_constraint(options, 9)
    drawn = sample_networks(SpaceConfig.compact(), 6, 0, constraint)
    costs = [cost(network, (32, 40), 9).macs_total / Quantity(macs) for network in drawn]
    assert len(set(drawn)) == 6 and all(0.93 <= share <= 1.0 for share in costs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target.macs", "1K"], "target.macs: 1,000 is below the smallest network's; networks of the space have"),
        (["--target.params", "80M"], "target.params: 80,000,000 is above the largest network's"),
        (["--target.macs", "2M,80M"], "target.macs: 80,000,000 is above the largest network's"),
        (["--target.macs", "2M,2M"], "target.macs: 2M is given twice"),
        (["--target.params", "60001,60002"], "target.params: 60K is given twice, to four digits"),
        (["--target.macs", "nan"], "--target.macs: expected"),
        (["--target.macs", "0"], "--target.macs: expected"),
        (["--target.params", "-1"], "--target.params: expected"),
        (["--target.latency_ms", "nan"], "--target.latency_ms: expected"),
        (["--target.latency_ms", "0"], "target.latency_ms: 0 must be above 0"),
        (["--target.latency_ms", "-2,3"], "target.latency_ms: -2 must be above 0"),
        (["--target.macs", "2M", "--constraint.macs", "2M"], "target.macs: constraint.macs bounds the same cost"),
        (["--target.macs", "2M", "--target.params", "1M"], "target.macs, target.params: two costs cannot"),
        (["--target.macs", "2M", "--strategy", "nni-darts"], "target.macs: nni-darts is NNI's own and takes none"),
        (
            ["--target.macs", "2M", "--strategy", "nni-random", "--method.samples", "2"],
            "target.macs: nni-random is NNI's own and takes none",
        ),
        (["--target.macs", ""], "target.macs: give a number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", *TINY, *arguments, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_comparison_takes_one_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *TINY, "--target.macs", "2M,3M", "--out", str(tmp_path / "compare")]) == 2
    assert "target.macs: only ssr-nas search takes several" in capsys.readouterr().err


def summary(target: float, found: float, miou: float) -> dict[str, object]:
    scored = {"derived": miou, "derived_full": miou, "resolution": "4x5", "resolution_full": "32x40"}
    met = {"target": target, "found": found, "ratio": found / target, "met": True}
    costs = {"params": 1e5, "macs_total": found}
    return {"target": {"macs": met}, "miou": scored, "cost": costs, "discrete": True}


def test_the_front_is_that_of_found_cost_and_score(tmp_path: Path) -> None:
    for name, values in {"a": (2e6, 1.9e6, 0.3), "b": (3e6, 2.9e6, 0.2), "c": (4e6, 3.9e6, 0.4)}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "search.json").write_text(json.dumps(summary(*values)))
    rows = front_rows(tmp_path, ["a", "b", "c"])
    assert [row["front"] for row in rows] == [True, False, True]
    lines = front_table(rows).splitlines()[3:]
    assert [line.split()[0] for line in lines] == ["2", "3", "4"] and lines[1].split()[-1] == "no"


def test_a_run_that_is_older_than_targets_goes_on() -> None:
    """Its options know none; one that is given is another search."""
    now = plain(asdict(SearchOptions()))
    before = {key: value for key, value in now.items() if key != "target"}
    assert comparable(now) == comparable(before)
    given = plain(asdict(SearchOptions(target=TargetOptions(macs=[Quantity("2M")]))))
    assert comparable(given) != comparable(before)
