"""What an experiment recorded: read from NNI's database as NNI writes it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main
from experiments.nni_manager.nni_internals import database
from experiments.nni_manager.records import LEFT, metric_of, read_record
from nas_space.architecture import Architecture, baseline1, baseline2
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

SCHEMA = """
create table TrialJobEvent (timestamp integer, trialJobId text, event text, data text, logPath text, sequenceId integer,
                            message text, environmentId text);
create table MetricData (timestamp integer, trialJobId text, parameterId text, type text, sequence integer, data text);
create table ExperimentProfile (params text, id text, execDuration integer, startTime integer, endTime integer,
                                logDir text, nextSequenceId integer, revision integer);
"""
NETWORKS = [baseline1(SpaceConfig.compact()), baseline2(SpaceConfig.compact())]


def result(miou: float, macs: float, network: Architecture, **changes: Any) -> dict[str, Any]:
    own = {"default": miou, "gap": 0.0, "macs": macs, "params": 9, "miou_supernet": miou, "discrete": 1, "seconds": 3.0}
    return {**own, "architecture": json.dumps(json.loads(network.to_json())), **changes}


class Experiment:
    """An experiment's folder below a home, and its database."""

    def __init__(self, home: Path, name: str = "aBc12", root: str = "nni-experiments") -> None:
        self.path = home / root / name / "db" / "nni.sqlite"
        self.path.parent.mkdir(parents=True)
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(SCHEMA)
        self.insert("ExperimentProfile", json.dumps({"experimentName": "old"}), name, 0, 0, 0, "", 0, 1)
        self.insert("ExperimentProfile", json.dumps({"experimentName": "mine"}), name, 0, 0, 0, "", 0, 2)
        self.time = 0

    def insert(self, table: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(f"insert into {table} values ({','.join('?' * len(values))})", values)

    def trial(self, name: str, number: int, status: str, parameters: dict[str, Any], *results: dict[str, Any]) -> None:
        for event, data in (
            ("RUNNING", json.dumps({"parameter_id": number, "parameters": parameters})),
            (status, None),
        ):
            self.time += 1
            self.insert("TrialJobEvent", self.time, name, event, data, "", number, None, "local-env")
        for sequence, value in enumerate(results):
            self.time += 1
            self.insert(
                "MetricData",
                self.time,
                name,
                str(number),
                "PERIODICAL",
                sequence,
                json.dumps(json.dumps({"default": 0.99})),
            )
            self.insert("MetricData", self.time, name, str(number), "FINAL", 0, json.dumps(json.dumps(value)))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def experiment(home: Path) -> Experiment:
    made = Experiment(home)
    made.trial("good1", 1, "SUCCEEDED", {"strategy": "ssr", "seed": 0}, result(0.5, 30e6, NETWORKS[0]))
    made.trial("fails", 0, "FAILED", {"strategy": "dart", "seed": 0})
    made.trial("cheap", 2, "SUCCEEDED", {"strategy": "ssr", "seed": 1}, result(0.4, 10e6, NETWORKS[1]))
    made.trial(
        "twice",
        3,
        "SUCCEEDED",
        {"strategy": "darts", "seed": 0},
        result(0.9, 1e6, NETWORKS[0]),
        result(0.45, 40e6, NETWORKS[0]),
    )
    made.trial("equal", 4, "SUCCEEDED", {"strategy": "darts", "seed": 1}, result(0.5, 31e6, NETWORKS[0], discrete=0))
    made.trial("still", 5, "RUNNING", {"row": {"_name": "IE(2)", "strategy": "ssr-ie"}, "seed": 0})
    return made


def test_trials_come_in_order_with_their_last_state_and_result(experiment: Experiment) -> None:
    record = read_record("aBc12")
    assert record.name == "mine"
    assert [trial.name for trial in record.trials] == ["fails", "good1", "cheap", "twice", "equal", "still"]
    assert [trial.status for trial in record.trials] == ["FAILED", *["SUCCEEDED"] * 4, "RUNNING"]
    assert record.trials[1].parameters == {"strategy": "ssr", "seed": 0} and record.trials[3].result["default"] == 0.45
    assert record.best().name == "good1"  # the cheaper of two with 0.5
    assert [trial.name for trial in record.pareto()] == ["cheap", "good1"]


def test_the_table_shows_what_distinguishes_the_trials(experiment: Experiment) -> None:
    table = read_record("aBc12").table()
    assert table["strategy"].tolist()[:3] == ["dart", "ssr", "ssr"] and table["row"].tolist()[-1] == "IE(2)"
    assert table["mIoU %"].tolist()[1] == 50.0 and table["discrete"].tolist()[1:5] == [True, True, True, False]
    text = table.to_string(index=False, na_rep="")
    assert "None" not in text.splitlines()[1].split("dart")[1]


def test_the_best_network_is_written(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    before = experiment.path.read_bytes()
    assert main(["export-best", "aBc12", "--out", "found", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["trial"] == "good1" and told["file"] == "found/architecture.json"
    assert Architecture.load("found/architecture.json") == NETWORKS[0]
    assert json.loads(Path("found/trial.json").read_text())["parameters"] == {"strategy": "ssr", "seed": 0}
    assert experiment.path.read_bytes() == before
    assert main(["export-best", "aBc12", "--out", "found"]) == 2  # nothing is overwritten
    assert "holds files already" in capsys.readouterr().err


def test_the_pareto_set_is_written(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-best", "aBc12", "--select", "pareto", "--out", "front", "--json"]) == 0
    networks = json.loads(capsys.readouterr().out.splitlines()[-1])["networks"]
    assert [row["trial"] for row in networks] == ["cheap", "good1"]
    assert [Architecture.load(row["file"]) for row in networks] == [NETWORKS[1], NETWORKS[0]]
    assert len(json.loads(Path("front/pareto.json").read_text())["networks"]) == 2


@pytest.mark.parametrize("suffix", [".md", ".csv", ".json"])
def test_the_table_of_an_experiment_is_reported(
    suffix: str, experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment.trial("lists", 6, "SUCCEEDED", {"space.search": ["width", "depth"]}, result(0.3, 1e6, NETWORKS[0]))
    assert main(["report", "aBc12", "--out", f"table{suffix}", "--json"]) == 0
    out = capsys.readouterr().out
    rows = json.loads(out.splitlines()[-1])["experiments"]["aBc12"]
    assert [row["trial"] for row in rows] == ["fails", "good1", "cheap", "twice", "equal", "still", "lists"]
    assert rows[1]["mIoU %"] == 50.0 and rows[0]["mIoU %"] is None and rows[6]["space.search"] == ["width", "depth"]
    assert (
        "mine (aBc12), 7 trials" in out
        and "width, depth" in out
        and "| good1 | SUCCEEDED | ssr |" in out
        and "| yes | 3 |" in out
    )
    assert "good1" in Path(f"table{suffix}").read_text()
    assert main(["report", "aBc12", "--out", f"table{suffix}"]) == 2  # nothing is overwritten


def test_what_cannot_be_reported(experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in {
        (): "RUNS is missing",
        ("none",): "nnictl experiment list",
        ("runs/none",): "runs/none: no such folder",
        (str(tmp_path),): "search.json: no such file",
        ("aBc12", "--out", "table.txt"): ".md, .csv or .json",
        ("aBc12", "aBc12", "--out", "table.md"): "one experiment",
    }.items():
        assert main(["report", *arguments]) == 2
        told = capsys.readouterr()
        assert words in told.err and len(told.err.splitlines()) == 1 and not told.out


def test_an_experiment_in_a_folder_of_its_own_is_found_by_nnis_manifest(home: Path) -> None:
    Experiment(home, "other", "elsewhere").trial("a", 0, "SUCCEEDED", {}, result(0.1, 1.0, NETWORKS[0]))
    (home / "nni-experiments").mkdir()
    (home / "nni-experiments" / ".experiment").write_text(json.dumps({"other": {"logDir": str(home / "elsewhere")}}))
    assert read_record("other").best().name == "a"


@pytest.mark.parametrize("name", ["../../etc", "", "x" * 33, "a b", "none"])
def test_no_such_experiment(name: str, home: Path) -> None:
    with pytest.raises(InputError, match="nnictl experiment list"):
        database(name)


def test_damaged(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-best", "aBc12", "--select", "worst"]) == 2
    experiment.path.write_bytes(b"SQLite format 3\0" + b"\xff" * 200)
    assert main(["export-best", "aBc12"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert (
        "choose from best, pareto" in errors[0] and "cannot be read as NNI's database" in errors[1] and len(errors) == 2
    )
    assert not Path("runs").exists()


def test_no_network(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Experiment(home)
    made.trial("a", 0, "FAILED", {})
    assert main(["export-best", "aBc12"]) == 2
    made.trial("b", 1, "SUCCEEDED", {}, {"default": 0.5})
    assert main(["export-best", "aBc12"]) == 2
    made.trial("c", 2, "SUCCEEDED", {}, result(0.5, 1.0, NETWORKS[0], architecture="{}"))
    assert main(["export-best", "aBc12", "--out", "x"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert (
        "no trial has left a network" in errors[0] == errors[1]
        and "trial c: its final metric holds no architecture" in errors[2]
    )


def test_trials_of_another_program_have_rows_without_our_columns(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Experiment(home)
    made.trial("plain", 0, "SUCCEEDED", {"lr": 0.1}, {"default": 0.25})
    made.trial(
        "own", 1, "SUCCEEDED", {"lr": 0.2}, {"default": 0.5, "loss": 1.5, "architecture": "mine"}
    )  # nothing of ours to compare
    record = read_record("aBc12")
    with pytest.raises(InputError, match="no trial has left a network"):
        record.best()
    assert "None" not in record.table().to_string(index=False, na_rep="")
    made.trial("ours", 2, "SUCCEEDED", {"lr": 0.3}, result(0.2, 1e6, NETWORKS[0]))
    record = read_record("aBc12")
    assert record.best().name == "ours" and [trial.name for trial in record.pareto()] == ["ours"]
    assert main(["report", "aBc12", "--json"]) == 0
    first, second, third = json.loads(capsys.readouterr().out.splitlines()[-1])["experiments"]["aBc12"]
    assert (first["mIoU %"], second["mIoU %"], third["mIoU %"]) == (25.0, 50.0, 20.0)
    ours = ("super-network mIoU %", "MACs M", "discrete", "seconds")
    assert all(row[key] is None for row in (first, second) for key in ours) and None not in third.values()


def test_the_table_names_the_resolution_of_the_labels(home: Path) -> None:
    made = Experiment(home)
    made.trial("old", 0, "SUCCEEDED", {"lr": 0.1}, result(0.2, 1e6, NETWORKS[0]))
    assert "labels" not in read_record("aBc12").table()
    scores = {"miou_full": 0.15, "resolution": "12x16", "resolution_full": "96x128"}
    made.trial("new", 1, "SUCCEEDED", {"lr": 0.2}, {**result(0.2, 1e6, NETWORKS[0]), **scores})
    table = read_record("aBc12").table().set_index("trial")
    assert table.loc["new", ["labels", "mIoU %, full labels"]].tolist() == ["12x16", 15.0]
    assert table.loc["old", ["labels", "mIoU %, full labels"]].isna().all()


def test_metrics_of_all_kinds() -> None:
    assert metric_of('"{\\"default\\": 0.5}"') == {"default": 0.5} and metric_of("0.25") == {"default": 0.25}


def test_a_network_that_the_trial_has_left_in_its_folder(home: Path) -> None:
    """Also beside a metric of an earlier version, which holds it itself; a damaged file leaves the scores."""
    made = Experiment(home)
    short = {"default": 0.5, "macs": 2.0, "strategy": "ssr"}
    for number, (name, metric) in enumerate({"a": short, "b": short, "old": result(0.4, 1.0, NETWORKS[1])}.items()):
        made.trial(name, number, "SUCCEEDED", {}, metric)
    trials = made.path.parents[1] / "environments" / "local-env" / "trials"
    left = {"architecture": json.dumps(json.loads(NETWORKS[0].to_json())), "data": " --data.name camvid"}
    for name, text in (("a", json.dumps(left)), ("b", "{")):
        (trials / name).mkdir(parents=True)
        (trials / name / LEFT).write_text(text)
    record = read_record("aBc12")
    assert [trial.has_network for trial in record.trials] == [True, False, True]
    assert record.best().name == "a" and record.best().result["data"] == " --data.name camvid"
    assert main(["export-best", "aBc12", "--out", str(home / "out")]) == 0
    assert Architecture.load(home / "out" / "architecture.json") == NETWORKS[0]


def test_a_best_network_whose_file_is_gone_is_told_and_not_replaced(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Experiment(home)
    made.trial("best", 0, "SUCCEEDED", {}, {"default": 0.5, "macs": 2.0, "searched": "depth"})
    made.trial("old", 1, "SUCCEEDED", {}, result(0.4, 1.0, NETWORKS[1]))
    for select in ("best", "pareto"):
        assert main(["export-best", "aBc12", "--select", select, "--out", f"out-{select}"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "trial best: its network is gone" in line and LEFT in line
        assert not list(Path().glob(f"out-{select}/*.json"))


def test_events_that_are_no_trials(home: Path) -> None:
    """Parameters that a user adds, and data that a user imports, stand among the events without a trial's id."""
    made = Experiment(home)
    made.insert("TrialJobEvent", 0, "", "IMPORT_DATA", '[{"parameter": {"seed": 1}, "value": 0.5}]', "", None, None, "")
    made.insert("TrialJobEvent", 0, "", "ADD_CUSTOMIZED", '{"seed": 2}', "", None, None, "")
    made.trial("ours", 0, "USER_TO_CANCEL", {"seed": 0})
    (trial,) = read_record("aBc12").trials
    assert (trial.name, trial.status) == ("ours", "USER_CANCELED")
