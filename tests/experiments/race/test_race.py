"""The command ``race``: who stays, what goes on, and what is refused; nothing but one small race is trained."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.benchmark.networks.scaled import Scaler
from experiments.cli import main
from experiments.data import SegmentationData, load
from experiments.landscape.plan import Planned
from experiments.landscape.setup import TrainingSetup, held_out
from experiments.landscape.table import Trained
from experiments.options.groups import DataOptions
from experiments.race import race
from experiments.runs.lock import locked
from experiments.training.recipe import RecipeOptions, RetrainOptions
from experiments.training.retrain import Retraining
from experiments.training.score import train_and_score
from nas_space.architecture import Architecture, Layer, baseline1, baseline2
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

TINY = ["--data.size", "32x40", "--data.limit", "8", "--data.batch", "4", "--epochs", "1", "--device", "cpu"]
OnEnd = Callable[[Planned, Trained | str], None]


def score(one: Planned, epochs: int) -> float:
    """Dilation is good, and the more epochs the better; the seed adds the same to all but to baseline2."""
    dilated = sum(layer.dilation for stage in one.architecture.stages for layer in stage)
    return 0.01 * dilated + 0.05 * epochs + 0.01 * one.seed * (1 + (dilated == 16))


@pytest.fixture(scope="module")
def streets() -> SegmentationData:
    """What ``TINY`` asks for."""
    return load(DataOptions(size="32x40", limit=8))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, streets: SegmentationData) -> list[str]:
    """Nothing is trained: every network has a score at once. The list holds what was asked for."""
    asked: list[str] = []

    def train_all(
        trainings: Sequence[Planned], setup: TrainingSetup, processes: int, threads: int, on_end: OnEnd
    ) -> None:
        for one in reversed(trainings):  # of several processes any may be the first
            asked.append(f"{one.name}/{one.seed}/{setup.options.epochs}")
            on_end(one, Trained(**vars(one), miou=score(one, setup.options.epochs), macs=5.0, params=6, minutes=0.7))

    monkeypatch.setattr(race, "train_all", train_all)
    monkeypatch.setattr(race, "load", lambda options: streets)
    TIMED.clear()
    monkeypatch.setattr(
        Scaler, "milliseconds", lambda self, networks, classes: TIMED.append(networks) or [1.25] * len(networks)
    )
    return asked


TIMED: list[list[tuple[Architecture, str]]] = []
"""The networks whose latency was asked for, with their heads."""


@pytest.fixture
def entrants(tmp_path: Path) -> list[str]:
    """A run, a comparison with two runs, a snapshot that is baseline2, and baseline2: four different networks."""
    space = SpaceConfig.compact(("dilation",))
    best = Architecture(space, tuple(tuple(Layer(8, 1, width, width) for _ in range(2)) for width in space.widths))
    middle = baseline2(SpaceConfig.compact(("dilation", "depth")))  # the same network, of another space
    mixed = Architecture(space, (best.stages[0], baseline1(space).stages[1][:2]))
    files = {
        "mine/architecture.json": best,
        "all/search/ssr-0/architecture.json": baseline1(space),
        "all/search/ssr-1/architecture.json": mixed,
        "run/snapshots/epoch-003.json": middle,
    }
    for name, network in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(network.to_json())
    return [str(tmp_path / name) for name in ("mine", "all", "run/snapshots")] + ["baseline2"]


def run(out: Path, *arguments: str) -> int:
    return main(["race", *arguments, *TINY, "--out", str(out)])


def error(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_the_better_half_goes_on(
    tmp_path: Path, entrants: list[str], calls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out, killed = tmp_path / "race", tmp_path / "all" / "search" / "ssr-2"
    killed.mkdir()
    assert run(out, *entrants, "--json") == 0
    first, second = calls[:8], calls[8:]
    assert set(first) == {f"{name}/{seed}/1" for name in ("mine", "ssr-0", "ssr-1", "epoch-003") for seed in (0, 1)}
    assert set(second) == {f"{name}/{seed}/2" for name in ("mine", "ssr-1") for seed in (0, 1)}
    printed, notes = capsys.readouterr()
    assert f"note: left out, for they are not finished: {killed}\n" in notes
    told = json.loads(printed.splitlines()[-1])
    assert told["winner"]["name"] == "mine" and told["winner"]["second"] == "ssr-1" and told["failed"] == []
    assert told["winner"]["lead"] == pytest.approx(0.14) and told["winner"]["lead_error"] == pytest.approx(0.0)
    assert [[one["name"] for one in part["networks"]] for part in told["rounds"]] == [
        ["mine", "ssr-1", "epoch-003", "ssr-0"],
        ["mine", "ssr-1"],
    ]
    assert told["rounds"][0]["networks"][2]["behind"] == pytest.approx(0.155)
    assert told["rounds"][0]["networks"][2]["behind_error"] == pytest.approx(0.005)
    assert told["held_out_images"] == 2 and told["train_images"] == 6
    assert [head for _, head in TIMED[0]] == ["encoder"] * 4 and len(TIMED) == 1
    assert told["entrants"][0]["milliseconds"] == 1.25 and printed.count("  1.25") == 6 and "latency ms" in printed
    for line in ("epoch-003 is the same network as baseline2", "round 1 of 2: 4 networks, 1 epoch, seeds 0,1"):
        assert line in printed
    assert f"retrain --arch {out} --data.size 32x40" in printed and "14.00 ± 0.00 points ahead of ssr-1" in printed
    assert Architecture.load(out) == Architecture.load(tmp_path / "mine")


def test_nothing_is_trained_twice(
    tmp_path: Path, entrants: list[str], calls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "race"
    assert run(out, *entrants) == 0
    table, summary = (out / "race.csv").read_text(), json.loads((out / "race.json").read_text())
    lines = table.splitlines()
    assert len(lines) == 13 and lines[1].startswith("1,1,mine,0,0.")
    calls.clear()
    capsys.readouterr()
    files = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert main(["race", "--resume", str(out)]) == 0 and run(out, *entrants) == 0 and calls == []
    assert "this race is complete, nothing to do\n\nwinner      mine" in capsys.readouterr().out
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == files  # it may lie where nobody can write
    (out / "race.json").unlink()
    (out / "architecture.json").unlink()
    (out / "race.csv").write_text("\n".join([*lines[:3], *lines[4:11]]) + "\n")  # killed in the middle
    shutil.rmtree(tmp_path / "all")  # what has been read is needed no more
    assert main(["race", "--resume", str(out), "--processes", "1"]) == 0
    assert sorted(calls) == ["mine/1/2", "ssr-1/0/1", "ssr-1/1/2"]
    assert len(TIMED) == 2  # again, for race.json was gone
    assert (out / "race.csv").read_text() == table
    again = json.loads((out / "race.json").read_text())
    assert again["rounds"] == summary["rounds"] and again["winner"] == summary["winner"]


def test_a_failure_is_told_and_tried_again(
    tmp_path: Path,
    entrants: list[str],
    calls: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    works, out = race.train_all, tmp_path / "race"

    def fails(trainings: Sequence[Planned], *rest: Any) -> None:
        *others, on_end = rest
        works(trainings, *others, lambda one, row: on_end(one, "the loss became nan" if one.name == "mine" else row))

    monkeypatch.setattr(race, "train_all", fails)
    assert run(out, *entrants, "--seeds", "0") == 1
    told = capsys.readouterr()
    assert "race, round 1: mine, seed 0 has failed: the loss became nan" in told.err
    assert "failed      1 trainings; the same command tries them again" in told.out
    assert not (out / "architecture.json").exists()
    assert run(out, *entrants, "--seeds", "0") == 1 and len(TIMED) == 1  # no latency is measured twice
    (out / "race.json").unlink()

    def absent(*_: object) -> list[float]:
        raise InputError("engine: onnxruntime is not installed")

    monkeypatch.setattr(Scaler, "milliseconds", absent)
    monkeypatch.setattr(race, "train_all", works)
    calls.clear()
    capsys.readouterr()
    assert run(out, *entrants, "--seeds", "0") == 0 and calls == ["mine/0/1", "ssr-1/0/2", "mine/0/2"]
    told = capsys.readouterr()
    assert "note: no latency in the tables: engine: onnxruntime is not installed" in told.err and " ms" not in told.out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["baseline1"], "entrants: baseline1: hold one network; a race needs at least two different ones"),
        ([], "entrants: give the networks"),
        (["{}/run/snapshots", "baseline2"], "hold one network"),
        (["baseline1", "{}/none.json"], "none.json: no such file; give an architecture.json"),
        (["baseline1", "{}/run"], "run: no run, comparison or folder of snapshots; give folders or files"),
        (["baseline1", "{}/search"], "search: an unfinished run; give folders or files that hold a network"),
        (["baseline1", "baseline2@3cm"], "baseline2@3cm: 3cm is no bound"),
        (["baseline1", "baseline2", "--hold_out", "1"], "hold_out: 1 must be above 0 and below 1"),
        (["baseline1", "baseline2", "--hold_out", "0.01"], "hold_out: 0.01 of 8 training images leaves none"),
        (["baseline1", "baseline2", "--hold_out", "0.6"], "3 training images left beside the 5 held out, fewer than"),
        (["baseline1", "baseline2", "--keep", "0"], "keep: 0 must be above 0"),
        (["baseline1", "baseline2", "--rounds", "0"], "rounds: 0 must be at least 1"),
        (["baseline1", "baseline2", "--seeds", "1,1"], "seeds: '1,1' must be one or more different seeds"),
        (["baseline1", "baseline2", "--train.patience", "2"], "train.patience: the networks of a race"),
    ],
    ids=str,
)
def test_what_is_no_race_is_refused(
    arguments: list[str],
    problem: str,
    tmp_path: Path,
    entrants: list[str],
    calls: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "config.yml").write_text("strategy: ssr\n")
    assert run(tmp_path / "race", *[text.format(tmp_path) for text in arguments]) == 2
    assert problem in error(capsys)
    assert calls == [] and not (tmp_path / "race").exists()


def test_a_race_with_other_options_is_not_touched(
    tmp_path: Path, entrants: list[str], calls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "race"
    assert run(out, "baseline1", "baseline2") == 0
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.name != ".lock"}
    for arguments, problem in [
        (
            ["baseline1", "baseline2", "--seeds", "0"],
            f"--out {out}: was begun with another 'seeds' (0,1, now 0); choose another",
        ),
        (["baseline2", *entrants], f"--out {out}: was begun with another 'entrants' (baseline1,baseline2, now "),
    ]:
        assert run(out, *arguments) == 2 and problem in error(capsys)
    assert run(tmp_path / "mine", "baseline1", "baseline2") == 2 and "holds files already, and no race" in error(capsys)
    assert main(["race", "--resume", str(out), "--keep", "0.3"]) == 2 and "leave out --keep" in error(capsys)
    assert main(["search", "--resume", str(out)]) == 2
    assert "the run of a race; go on with it by ssr-nas race --resume" in error(capsys)
    (out / "architecture.json").unlink()
    before.pop("architecture.json")
    with locked(out):
        assert run(out, "baseline1", "baseline2") == 2
    assert "is working in this run" in error(capsys)
    (out / "race.csv").write_text("round,epochs,name,seed,miou,minutes\n1,1,nobody,0,0.5,1\n")
    assert run(out, "baseline1", "baseline2") == 2
    assert "race.csv: line 2: no network and seed of this race" in error(capsys)
    (out / "race.csv").write_text("round,epochs,name,seed,miou,minutes\n1,1,baseline1,0,0.5,nan\n")
    assert run(out, "baseline1", "baseline2") == 2
    assert "race.csv: line 2: round, epochs and minutes must be positive numbers" in error(capsys)
    entrants_file = json.loads((out / "entrants.json").read_text())
    for some in ([], entrants_file["entrants"][:1], entrants_file["entrants"][:1] * 2, [{"names": []}]):
        (out / "entrants.json").write_text(json.dumps({"entrants": some}))
        assert main(["race", "--resume", str(out)]) == 2
        assert "remove it, and the same command reads the networks again" in error(capsys)
    (out / "entrants.json").write_bytes(before["entrants.json"])
    (out / "architecture.json").write_text("")
    (out / "race.json").write_text(json.dumps({**json.loads(before["race.json"]), "winner": {"name": "mine"}}))
    assert main(["race", "--resume", str(out)]) == 2
    assert "race.json: tells no winner; remove it" in error(capsys)
    (out / "race.json").write_bytes(before["race.json"])
    before.pop("race.csv")
    assert {name: (out / name).read_bytes() for name in before} == before


@pytest.mark.slow
def test_real_processes_score_on_the_images_held_out(tmp_path: Path, streets: SegmentationData) -> None:
    out = tmp_path / "race"
    assert run(out, "baseline1", "baseline2", "--seeds", "3", "--threads", "1", "--processes", "1") == 0
    summary = json.loads((out / "race.json").read_text())
    scores = {one["name"]: one["miou"] for one in summary["rounds"][0]["networks"]}
    train = RecipeOptions(augmentation="shift", loss="cross-entropy")
    data = DataOptions(size="32x40", limit=8, batch=4)
    options = RetrainOptions(epochs=1, stages=["encoder"], device="cpu", data=data, train=train)
    setup = TrainingSetup.from_json(TrainingSetup(options, 0.2).to_json())
    assert setup == TrainingSetup(options, 0.2)
    parts = held_out(streets, 0.2, options)
    assert not set(parts.val.names) & set(parts.train.names)
    assert set(parts.val.names) | set(parts.train.names) == set(streets.train.names)
    training = Retraining(replace(options, seed=3), parts, tmp_path, baseline2(SpaceConfig.compact()))
    assert scores["baseline2"] == pytest.approx(train_and_score(training).miou, rel=1e-4)
