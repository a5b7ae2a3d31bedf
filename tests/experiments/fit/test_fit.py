"""The command ``fit``: a whole small one, and going on after a kill at every step."""

import json
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from experiments.cli import main
from experiments.fit import entrants
from experiments.fit import fit as fit_module
from experiments.fit import point as point_module
from experiments.fit import runner as runner_module
from experiments.fit.facts import Facts, Line, Speeds, Wishes
from experiments.fit.ledger import DONE, Ledger
from experiments.fit.options import FitOptions
from experiments.fit.shared import Shared
from experiments.fit.work import Epochs, Plan, divide, work_of
from experiments.landscape.table import Trained
from experiments.latency.cache import find_table
from experiments.race import race
from experiments.training.retrain import Retraining
from experiments.training.score import train_and_score
from nas_space.architecture import baseline2
from nas_space.errors import InputError

SPACE = ["--space.stem", "4", "--space.widths", "8,12", "--space.depths", "[[1, 2], [1, 2]]"]
SPACE += ["--space.dilations", "1,2", "--space.span", "4", "--space.step", "4"]
EPOCHS = ["--searches", "1", "--search_epochs", "1", "--race_epochs", "1", "--train_epochs", "1"]
TINY = [*SPACE, *EPOCHS, "--size", "32x64", "--data.batch", "4", "--device", "cpu", "--hand_made", "baseline2"]
BOUND = ["--latency_ms", "50", "--minutes", "100"]


FACTS = Facts(16, 4, (40, 56), 4, 0.001, 500)
QUICK = Line(0.001, 0.0)
HEADS = {"encoder": QUICK, "aggregation": QUICK}
SPEEDS = Speeds({"compact": QUICK}, {"compact": HEADS}, {"compact": HEADS}, {"compact": HEADS})
PLAN = Plan((32, 64), 4, "compact", ("encoder",), 1, Epochs(1, 1, 1), {"search": 1.0})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """No step does anything: every one leaves a file and says so. ``killed`` names the one that is interrupted."""
    told: dict[str, Any] = {"done": [], "killed": None, "ms": {}, "points": 1, "is_discrete": True}

    def work(name: str, folder: Path, result: dict[str, Any]) -> dict[str, Any]:
        if told["killed"] == name:
            raise KeyboardInterrupt
        told["done"].append(name)
        return result

    class Fake(point_module.Point):
        def _search(self, place: int, found: Any) -> Any:
            def search(folder: Path) -> dict[str, Any]:
                if told["is_discrete"]:
                    (folder / "model.safetensors").touch()
                return work("search", folder, {"name": "search-0", "folder": f"{self.name}/search-0"})

            return search

        def _hand_made(self, name: str, reference: str, bound: float) -> Any:
            return lambda folder: work("hand-made", folder, {"name": name, "folder": f"{self.name}/{name}"})

        def _race(self, folder: Path, entrants: Any) -> dict[str, Any]:
            names = [Path(one).name for one in entrants]
            return work(
                "race", folder, {"networks": [{"name": n, "ms": 1.0, "mious": [0.5]} for n in names], "rounds": []}
            )

        def _network(self, name: str) -> Any:
            return name

    def train(folder: Path, network: Any, decide: Any, weights: Path | None) -> dict[str, Any]:
        cost = {"params": 1, "macs_total": 2}
        return work(f"train {network}", folder, {"miou": 0.5, "epochs": 1, "cost": cost})

    def export(run: Path, folder: Path, *rest: Any) -> dict[str, Any]:
        ms = told["ms"].get(run.name, 1.0)
        exported = {"file": "model.onnx", "ms": ms, "ms_int8": None, "int8": {"file": None}, "clock": "nobody"}
        return work("export", folder, exported)

    def deliver(folder: Path, out: Path, points: Any, minutes: Any, threads: int) -> dict[str, Any]:
        told["points"] = points
        photo = {"size": [40, 56], "ms": 3.0}
        return work("deliver", out, {"miou": 0.5, "per_class": {"a": 0.5, "b": None}, "photo": photo})

    table = type("Table", (), {"to_json": lambda self: "{}", "span": lambda self: (0.1, 100.0)})
    monkeypatch.setattr(fit_module, "Point", Fake)
    monkeypatch.setattr(runner_module, "train_network", train)
    monkeypatch.setattr(point_module, "export_and_time", export)
    monkeypatch.setattr(fit_module, "deliver", deliver)
    monkeypatch.setattr(fit_module, "find_table", lambda wanted, **rest: work("table", Path(), {}) or table())
    monkeypatch.setattr(fit_module, "describe_clock", lambda table: "nobody")
    monkeypatch.setattr(fit_module.LatencyTable, "load", lambda file: None)
    monkeypatch.setattr(fit_module, "check_at_size", lambda options, plan: None)
    monkeypatch.setattr(fit_module, "prepare", lambda options: fit_module.Begun(FACTS, SPEEDS, PLAN, 30.0))
    yield told


STEPS = ["table", "hand-made", "search", "race", "train search-0", "export", "deliver"]


@pytest.mark.parametrize("killed", STEPS)
def test_a_killed_fit_goes_on_where_it_was(
    killed: str, quick: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, quick["killed"] = tmp_path / "run", killed
    assert main(["fit", "photos", *BOUND, "--hand_made", "baseline2", "--out", str(out)]) == 130
    assert f"go on with: ssr-nas fit --resume {out}\n" in capsys.readouterr().err
    assert quick["done"] == STEPS[: STEPS.index(killed)]
    assert main(["fit", "photos", *BOUND, "--out", str(out)]) == 2  # nothing is overwritten
    assert f"continue it with --resume {out}" in capsys.readouterr().err
    assert main(["fit", "--resume", str(out), "--minutes", "3"]) == 2
    assert "leave out --minutes" in capsys.readouterr().err
    quick["killed"] = None
    assert main(["fit", "--resume", str(out)]) == 0
    assert quick["done"] == STEPS
    said = capsys.readouterr().out
    assert (
        "That is the network alone, at 32x64. A whole photo of 40x56 takes 3 ms, with resizing and without reading"
        in said
    )
    assert "No validation image has b: its quality is unknown, and mIoU is the mean of the other 1.\n" in said
    summary = json.loads((out / "fit.json").read_text())
    assert summary["points"][0]["chosen"]["name"] == "search-0" and summary["points"][0]["holds"]
    assert sum(summary["minutes"].values()) < 1.0  # with the half minute before
    assert main(["fit", "--resume", str(out)]) == 0 and quick["done"] == STEPS


def test_a_fit_goes_on_from_another_folder(
    quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its steps have written names files, and they must be found."""
    seen: list[tuple[Path, str | None]] = []
    step = Ledger.step

    def look(self: Ledger, name: str, folder: Path, work: Any) -> dict[str, Any]:
        seen.append((folder, name))
        return step(self, name, folder, work)

    monkeypatch.setattr(Ledger, "step", look)
    monkeypatch.chdir(tmp_path)
    quick["killed"] = "race"
    assert main(["fit", "photos", *BOUND, "--out", "run"]) == 130
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    quick["killed"] = None
    assert main(["fit", "--resume", "../run"]) == 0
    assert all(folder.is_absolute() for folder, _ in seen)
    assert yaml.safe_load((tmp_path / "run" / "config.yml").read_text())["source"] == str(tmp_path / "photos")
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == []


def test_a_run_among_the_photos_is_refused(
    quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    for arguments in ([".", *BOUND], ["../photos/", *BOUND, "--out", "a/b"], ["--data.root", ".", *BOUND]):
        name = ["--data.name", "folder"] if "--data.root" in arguments else []
        assert main(["fit", *arguments, *name]) == 2
        assert "among the photos; give --out a folder elsewhere" in capsys.readouterr().err
    assert list((tmp_path / "photos").iterdir()) == []
    assert main(["fit", ".", *BOUND, "--out", "../run"]) == 0


def test_a_network_that_is_too_slow_gives_way_to_the_next(
    quick: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick["ms"] = {"train-1": 52.0, "train-2": 50.9}  # of 50: 2 % more are allowed
    assert main(["fit", "photos", *BOUND, "--hand_made", "baseline2", "--out", str(tmp_path / "run")]) == 0
    assert [name for name in quick["done"] if "train" in name] == ["train search-0", "train baseline2@50ms"]
    (point,) = json.loads((tmp_path / "run" / "fit.json").read_text())["points"]
    assert point["chosen"]["name"] == "baseline2@50ms" and len(point["tried"]) == 2
    assert "search-0 is too slow; the next network of the race is taken" in capsys.readouterr().out


def test_where_none_holds_the_closest_is_delivered(
    quick: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick["ms"] = {"train-1": 60.0, "train-2": 80.0}
    assert main(["fit", "photos", *BOUND, "--hand_made", "baseline2", "--out", str(tmp_path / "run")]) == 1
    (point,) = json.loads((tmp_path / "run" / "fit.json").read_text())["points"]
    assert point["chosen"]["name"] == "search-0" and not point["holds"]
    told = "None of 2 networks that were trained holds 50 ms; the closest is delivered: search-0 takes 60 ms"
    assert told in capsys.readouterr().out


def test_points_have_folders_of_their_own(quick: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(["fit", "photos", *BOUND, "--points", "3", "--hand_made", "baseline2", "--out", str(out)]) == 0
    assert [point["target_ms"] for point in quick["points"]] == pytest.approx([50.0, 50 / 1.5, 25.0])
    assert [point["name"] for point in quick["points"]] == ["50ms", "33.33ms", "25ms"]
    assert all((out / point["name"] / "train-1" / DONE).is_file() for point in quick["points"])


def test_no_hand_made_network_is_larger_than_all_of_the_space(
    quick: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would train for longer than the plan has counted with."""
    out = tmp_path / "run"  # the slowest network of the space takes 100 ms
    assert main(["fit", "photos", "--latency_ms", "900", *BOUND[2:], "--out", str(out)]) == 0
    (point,) = quick["points"]
    assert [one["name"] for one in point["hand_made"]] == ["baseline1@100ms", "baseline2@100ms"]
    assert "900ms: every network of the space is faster; the hand-made ones are scaled to" in capsys.readouterr().out
    assert main(["fit", "photos", *BOUND, "--out", str(tmp_path / "other")]) == 0
    assert "every network of the space is faster" not in capsys.readouterr().out


def test_a_dry_run_writes_nothing(
    quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "photos", *BOUND, "--dry_run", "true", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["plan"]["size"] == [32, 64]
    assert quick["done"] == [] and list(tmp_path.iterdir()) == []


def test_a_damaged_plan_is_told(quick: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, quick["killed"] = tmp_path / "run", "search"
    main(["fit", "photos", *BOUND, "--out", str(out)])
    content = json.loads((out / "plan.json").read_text())
    (out / "plan.json").write_text(json.dumps({**content, "plan": {"size": 3}}))
    capsys.readouterr()
    assert main(["fit", "--resume", str(out)]) == 2
    assert "plan.json: is damaged" in capsys.readouterr().err


def test_points_share_the_time_that_is_left(tmp_path: Path) -> None:
    """The first of two leaves half of it, without what comes after both, and every part sees what is left by then."""
    now = [0.0]
    ledger = Ledger(1000.0, 100.0, lambda: now[0])
    wishes = Wishes(targets=[5.0, 2.5], hand_made=1, batch=4)
    shared = Shared(
        FitOptions(), wishes, FACTS, SPEEDS, PLAN, ledger, tmp_path, tmp_path, (1.0, 9.0), runner_module.Here()
    )
    point = point_module.Point(shared, 5.0, 1 / 2, 40.0)
    training = work_of(FACTS, SPEEDS, wishes, PLAN, ["train"])
    training = replace(training, seconds={"search": 0.0, "race": 0.0, "train": 2.0})

    def epochs() -> int:
        return point._epochs(("train",), training_s=2.0).train

    assert epochs() == divide((900 - 40) / 2, training).train > 150

    def work(folder: Path) -> dict[str, Any]:
        now[0] += 200.0
        return {}

    ledger.step("search", tmp_path / "search", work)
    assert epochs() == divide((900 - 40) / 2 - 200, training).train < 120


@pytest.mark.parametrize(
    ("is_discrete", "init", "begins"),
    [(True, [], "50ms/search-0"), (True, ["--init", "random"], None), (False, [], None)],
)
def test_the_final_training_begins_with_what_the_search_has_left(
    is_discrete: bool, init: list[str], begins: str | None, quick: dict[str, Any], tmp_path: Path
) -> None:
    quick["is_discrete"], quick["ms"] = is_discrete, {"train-1": 60.0}
    assert main(["fit", "photos", *BOUND, *init, "--hand_made", "baseline2", "--out", str(tmp_path / "run")]) == 0
    (point,) = json.loads((tmp_path / "run" / "fit.json").read_text())["points"]
    assert [one["init"] for one in point["tried"]] == [begins, None]  # no search has left weights of a hand-made one


def train_here(trainings: Any, setup: Any, processes: int, threads: int, on_end: Any) -> None:
    """The trainings of a race in this process."""
    data = setup.load()
    for one in trainings:
        training = Retraining(replace(setup.options, seed=one.seed), data, Path(), one.architecture)
        on_end(one, Trained(**vars(one), miou=train_and_score(training).miou, macs=1.0, params=1.0, minutes=0.1))


@pytest.mark.slow
def test_a_whole_fit_and_one_that_is_cut(
    web: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    write_folder: Callable[..., Path],
) -> None:
    """Real but for the scaled baseline, which needs many measurements, and the process of the race's trainings."""
    data = write_folder(tmp_path / "photos", train=8, val=2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(race, "train_all", train_here)
    monkeypatch.setattr(point_module, "MEASURED", 0.0)
    monkeypatch.setattr(fit_module, "find_table", partial(find_table, rounds=1))
    monkeypatch.setattr(entrants, "Scaler", lambda *given: lambda name, space, classes, head: baseline2(space))
    out = tmp_path / "run"
    (data / "train" / "masks" / "lost.png").write_bytes(next((data / "train" / "masks").iterdir()).read_bytes())
    assert main(["fit", str(data), *TINY, *BOUND, "--stages", "encoder", "--most_lost", "1", "--out", str(out)]) == 0
    assert capsys.readouterr().err.count("lost.png: has no image") == 1  # though the photos are read many times
    delivered = out / "deliver"
    names = {"model.onnx", "model.int8.onnx", "model.safetensors", "architecture.json", "classes.csv", "predict.py"}
    assert {file.name for file in delivered.iterdir()} == {*names, "report.html", DONE}
    summary = json.loads((out / "fit.json").read_text())
    (point,) = summary["points"]
    assert point["holds"] and 0 <= summary["scores"]["miou"] <= 1
    made = point["hand_made"][0]["name"]  # of the latency that the space's slowest network has
    assert {one["name"] for one in point["race"]["networks"]} == {"search-0", made} and made != "baseline2@50ms"
    page = (delivered / "report.html").read_text()
    assert page.count("data:image/png") == 3
    for text in (
        "grass",
        "hut",
        "search-0",
        made,
        "race",
        "data check, calibration and plan",
        "FPS",
        "predict.py PHOTO",
        "images that the network sees",
        "a whole photo of",
        "round 1, mIoU %",
    ):
        assert text in page
    assert page.count("<figcaption>") == 3 and "<td>yes</td>" in page and "<th>point</th>" not in page
    photo = next((data / "val" / "images").iterdir())
    script = str(delivered / "predict.py")
    monkeypatch.setattr(sys, "argv", ["predict.py", str(photo)])
    capsys.readouterr()
    runpy.run_path(script)
    said, overlay = capsys.readouterr().out, f"{photo.stem}_overlay.png"
    assert said.startswith(f"{overlay}: ") and "grass" in said and "%" in said
    with Image.open(photo) as shown, Image.open(tmp_path / overlay) as drawn:
        lines = said.count("%")  # a class each
        assert drawn.width >= shown.width and drawn.height == shown.height + lines * max(shown.width // 25, 16)
    for given, wrong in (([], "usage: python predict.py PHOTO..."), (["none.jpg"], "none.jpg: ")):
        monkeypatch.setattr(sys, "argv", ["predict.py", *given])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(script)
        (line,) = capsys.readouterr().err.splitlines()
        assert ended.value.code == 2 and line.startswith(wrong)
    trained = out / "50ms" / "train-1"
    kept = (trained / "model.safetensors").read_bytes()
    for gone in (DONE, "retrain.json", "model.safetensors"):  # as if it had been killed at the end of the training
        (trained / gone).unlink()
    assert main(["fit", "--resume", str(out)]) == 0
    assert (trained / "model.safetensors").read_bytes() == kept and (trained / DONE).is_file()
    the_same_by_trials(out, web)


def the_same_by_trials(out: Path, web: Any) -> None:
    """Search, race and final training once more, each in a trial of NNI, beside the other steps of the same fit."""
    again = out.with_name("again")
    shutil.copytree(out, again)
    (again / "fit.json").unlink()
    for step in ("search-0", "race", "train-1"):
        shutil.rmtree(again / "50ms" / step)
    assert main(["fit", "--resume", str(again), "--web", "true"]) == 0
    point, other = (json.loads((run / "fit.json").read_text())["points"][0] for run in (out, again))
    assert other["chosen"] == point["chosen"]
    searches = [[{**one, "seconds": 0.0} for one in some["searches"]] for some in (point, other)]
    assert searches[1] == searches[0] and point["searches"][0]["seconds"] > 0
    rounds = [[(one["name"], one["miou"]) for one in part["networks"]] for part in point["race"]["rounds"]]
    assert [[(one["name"], one["miou"]) for one in part["networks"]] for part in other["race"]["rounds"]] == rounds
    for step in ("search-0", "race", "train-1"):
        folders = [run / "50ms" / step for run in (out, again)]
        names = [
            {str(file.relative_to(one)) for file in one.rglob("*") if "events.out" not in file.name} for one in folders
        ]
        assert names[1] - {".lock", "tensorboard"} == names[0] - {".lock", "tensorboard"}
        for name in {"architecture.json", "model.safetensors", "config.yml"} & names[0]:
            texts = [(one / name).read_bytes().replace(b"/again/", b"/run/") for one in folders]
            assert texts[1] == texts[0], f"{step}/{name}"
    kinds = [trial.parameters["kind"] for trial in web.trials]
    assert kinds == ["search", "race", "race", "train"]
    reported = [trial.reported for trial in web.trials]
    assert all(len(one["FINAL"]) == len(one["PERIODICAL"]) == 1 for one in reported)  # one epoch, or round
    assert reported[-1]["FINAL"][0]["default"] == point["chosen"]["miou"]
    assert {(web.folder / str(n) / "nni.json").is_file() for n in range(4)} == {True}


def test_a_plan_is_refused_before_a_folder_is_made(
    tmp_path: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(options: Any) -> Any:
        raise InputError("minutes: 3 are too few here; give at least 9.4")

    monkeypatch.setattr(fit_module, "prepare", refuse)
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "photos", "--latency_ms", "5", "--minutes", "3"]) == 2
    assert capsys.readouterr().err == "ssr-nas fit: error: minutes: 3 are too few here; give at least 9.4\n"
    assert list(tmp_path.iterdir()) == []
