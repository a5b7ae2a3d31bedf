"""What remote workers are told to call."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.cli import main
from experiments.nni_manager.contact import contact, tell_workers
from experiments.nni_manager.definition import read_experiment
from experiments.nni_manager.start import addresses
from nas_space.errors import InputError


@pytest.mark.parametrize(
    ("stored", "host", "expected"),
    [
        (None, "127.0.0.1", "127.0.0.1"),
        ("192.0.2.7", "127.0.0.1", "127.0.0.1"),  # by the tunnel
        (None, "10.0.0.5", "10.0.0.5"),
        ("127.0.0.1", "10.0.0.5", "10.0.0.5"),  # left by a launch with tunnels
        ("localhost", "10.0.0.5", "10.0.0.5"),
        ("0.0.0.0", "10.0.0.5", "10.0.0.5"),
        ("192.0.2.7", "10.0.0.5", "192.0.2.7"),
        ("192.0.2.7", "0.0.0.0", "192.0.2.7"),
        ("gate.example", "::", "gate.example"),
    ],
)
def test_the_address(stored: str | None, host: str, expected: str) -> None:
    assert contact(stored, addresses(host)) == expected


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@pytest.mark.parametrize("stored", [None, "127.0.0.1"])
def test_everywhere_is_no_address(stored: str | None, host: str) -> None:
    with pytest.raises(InputError, match="set nniManagerIp in the experiment's file, or give --host ADDRESS"):
        contact(stored, addresses(host))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "key").write_text("")
    machine = {"host": "a.example", "user": "me", "sshKeyFile": "key"}
    content = {
        "trialCommand": "python mine.py",
        "trialCodeDirectory": ".",
        "searchSpace": {"seed": {"_type": "choice", "_value": [0]}},
        "trialConcurrency": 1,
        "tuner": {"name": "GridSearch"},
        "trainingService": {"platform": "remote", "machineList": [machine]},
    }
    (tmp_path / "experiment.yml").write_text(yaml.safe_dump(content))
    return tmp_path / "experiment.yml"


def test_a_launch_that_listens_everywhere_is_refused_before_anything_is_written(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["launch", str(file), "--host", "0.0.0.0", "--port", "18731", "--out", str(file.parent / "found")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--host 0.0.0.0" in line and "nniManagerIp" in line
    assert not (file.parent / "found").exists()


@pytest.mark.parametrize(
    ("place", "first_hosts", "first_told", "told_again"),
    [
        ("experiment", ["127.0.0.1"], "127.0.0.1", "192.0.2.7"),  # what the file says of itself holds without a tunnel
        ("service", ["127.0.0.1"], "127.0.0.1", "10.0.0.5"),
        (None, ["127.0.0.1", "10.0.0.4"], "10.0.0.4", "10.0.0.5"),  # another --host
    ],
)
def test_an_address_that_nni_has_stored_is_replaced(
    file: Path, place: str | None, first_hosts: list[str], first_told: str, told_again: str
) -> None:
    from nni.experiment import Experiment
    from nni.experiment.config import ExperimentConfig

    def told(config: Any) -> str:
        return str(config.canonical_copy().training_service.nni_manager_ip)

    content = yaml.safe_load(file.read_text())
    if place is not None:
        (content if place == "experiment" else content["trainingService"])["nniManagerIp"] = "192.0.2.7"
    file.write_text(yaml.safe_dump(content))
    first = Experiment(read_experiment(file))
    tell_workers(first, first_hosts)
    assert told(first.config) == first_told

    stored = first.config.canonical_copy().json()
    database = Path.home() / "nni-experiments" / "aBc12" / "db" / "nni.sqlite"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("create table ExperimentProfile (params text, revision integer)")
        connection.executemany("insert into ExperimentProfile values (?, ?)", [("{}", 0), (json.dumps(stored), 1)])
    again = Experiment(ExperimentConfig(**stored), id="aBc12")
    again._action = "resume"
    tell_workers(again, ["127.0.0.1", "10.0.0.5"])
    assert told(again.config) == told_again
    with closing(sqlite3.connect(database)) as connection:
        (oldest,), (newest,) = connection.execute("select params from ExperimentProfile order by revision").fetchall()
    kept = json.loads(newest)
    assert oldest == "{}" and kept["trainingService"]["nniManagerIp"] == told_again
    assert kept["trialCommand"] == "python mine.py"
