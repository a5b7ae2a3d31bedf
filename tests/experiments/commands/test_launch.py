"""A whole experiment under NNI's real manager: who can reach it, how it ends, and how it goes on after a kill."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from nas_space.architecture import Architecture
from nas_space.network import SegmentationNetwork

pytestmark = pytest.mark.slow
EXPERIMENT = """
experimentName: tiny
trialCommand: OMP_NUM_THREADS=1 ssr-nas trial --config search.yml
trialCodeDirectory: .
searchSpaceFile: search_space.json
trialConcurrency: 1
maxTrialNumber: {trials}
tuner: {{name: GridSearch}}
trainingService: {{platform: local}}
"""
SEARCH = """
epochs: {epochs}
device: cpu
data: {{size: 32x32, limit: 16, batch: 4}}
space: {{stem: 4, widths: [8, 12, 16], dilations: [1, 2], depths: [[1, 2], [1], [1, 2]], span: [4, 0, 8], step: 4}}
method: {{lr: 0.05}}
"""
TUNER = """
from nni.tuner import Tuner
class Mine(Tuner):
    def update_search_space(self, space):
        pass
    def generate_parameters(self, number, **kwargs):
        if number:
            raise ValueError("no idea")
        return {"strategy": "ssr", "seed": 0}
    def receive_trial_result(self, number, parameters, value, **kwargs):
        pass
"""
BIN = Path(sys.executable).parent


class Lab:
    """A home of its own, an experiment in it, and the commands as a user starts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.environment = {**os.environ, "HOME": str(self.home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        self.processes: list[subprocess.Popen[str]] = []
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = int(server.getsockname()[1])

    def write(self, space: dict[str, list[Any]], epochs: int = 4) -> None:
        number = 1
        for values in space.values():
            number *= len(values)
        (self.folder / "experiment.yml").write_text(EXPERIMENT.format(trials=number))
        (self.folder / "search.yml").write_text(SEARCH.format(epochs=epochs))
        content = {key: {"_type": "choice", "_value": values} for key, values in space.items()}
        (self.folder / "search_space.json").write_text(json.dumps(content))

    def start(self, *command: str) -> "subprocess.Popen[str]":
        with (self.folder / f"{len(self.processes)}.log").open("w") as log:
            process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder, text=True
            )
        self.processes.append(process)
        return process

    def launch(self, *arguments: str) -> "subprocess.Popen[str]":
        return self.start(str(BIN / "ssr-nas"), "launch", "--port", str(self.port), *arguments)

    def log(self, number: int = -1) -> str:
        return (self.folder / f"{number % len(self.processes)}.log").read_text()

    def rest(self, path: str, address: str = "127.0.0.1") -> Any:
        host = f"[{address}]" if ":" in address else address
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"http://{host}:{self.port}/api/v1/nni/{path}", timeout=60).json()

    def answers(self, address: str) -> bool:
        try:
            return "status" in self.rest("check-status", address)
        except (requests.RequestException, OSError):
            return False

    def trials(self) -> list[dict[str, Any]]:
        try:
            return list(self.rest("trial-jobs"))
        except requests.RequestException:
            return []

    def managers(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if str(self.port) in command and any(part.endswith("main.js") for part in command):
                found.append(process)
        return found

    def experiment(self) -> str:
        (path,) = [
            path for path in (self.home / "nni-experiments").iterdir() if path.name not in ("_latest", ".experiment")
        ]
        return path.name

    def query(self, query: str) -> list[Any]:
        database = self.home / "nni-experiments" / self.experiment() / "db" / "nni.sqlite"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def until(self, reached: Callable[[], Any], seconds: float = 120.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (result := reached()):
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.3)
        return result

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(90)
        for manager in self.managers():
            for child in manager.children(recursive=True):
                child.kill()
            manager.kill()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.close()


def outside() -> list[str]:
    """This machine's addresses that others reach; requests takes no link-local ones, with the name of an interface."""
    found = [
        address.address
        for interface in psutil.net_if_addrs().values()
        for address in interface
        if address.family in (2, 10)
    ]
    return [address for address in found if not address.startswith(("127.", "fe80")) and address != "::1"]


def test_only_this_machine_is_answered_and_the_best_network_is_exported(lab: Lab) -> None:
    lab.write({"strategy": ["unheard-of", "ssr"], "seed": [0]})
    if outside():  # what the launcher is for: plain nnictl answers everybody
        lab.start(str(BIN / "nnictl"), "create", "--config", "experiment.yml", "--port", str(lab.port)).wait(60)
        lab.until(lambda: lab.answers("127.0.0.1"))
        assert all(lab.answers(address) for address in outside())
        lab.start(str(BIN / "nnictl"), "stop", "--all").wait(60)
        lab.until(lambda: not lab.managers())
        os.rename(lab.home / "nni-experiments", lab.home / "plain")
    process = lab.launch("experiment.yml")
    lab.until(lambda: any(trial["status"] == "FAILED" for trial in lab.trials()))
    assert lab.answers("127.0.0.1") and not any(lab.answers(address) for address in outside())
    assert process.wait(120) == 0, lab.log()
    log = lab.log()
    assert f"web UI at http://127.0.0.1:{lab.port}" in log
    assert (
        "strategy=unheard-of seed=0: ssr-nas trial: error: strategy: unknown 'unheard-of'" in log
        and "Traceback" not in log
    )
    assert not lab.managers()
    (found,) = (lab.folder / "runs").glob("*/architecture.json")
    architecture = Architecture.load(found)
    assert sum(p.numel() for p in SegmentationNetwork(architecture, 9).parameters()) > 0
    exporting = lab.start(str(BIN / "ssr-nas"), "export-best", lab.experiment(), "--json")  # the manager has ended
    assert exporting.wait(60) == 0
    assert json.loads(lab.log().splitlines()[-1])["parameters"] == {"strategy": "ssr", "seed": 0}
    for folder in (lab.home / "nni-experiments").glob("*/environments/*/trials/*"):
        text = (folder / "trial.stderr").read_text()
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("warning: ")]
        assert len(lines) == (0 if (folder / "search.json").exists() else 1), lines


@pytest.mark.parametrize("command", ["nnictl", "launch"])
def test_a_killed_manager_is_resumed_and_no_finished_trial_runs_again(command: str, lab: Lab) -> None:
    lab.write({"strategy": ["ssr"], "seed": [0, 1, 2]}, epochs=20)
    process = lab.launch("experiment.yml")
    lab.until(lambda: [trial["status"] for trial in lab.trials()][:2] == ["SUCCEEDED", "RUNNING"])
    second = lab.trials()[1]["trialJobId"]
    lab.until(lambda: lab.query(f"select 1 from MetricData where trialJobId = '{second}'"))
    (manager,) = lab.managers()
    manager.kill()
    assert process.wait(60) == 1
    assert f"--resume {lab.experiment()}" in lab.log() and "Traceback" not in lab.log()
    if command == "launch":
        assert lab.launch("--resume", lab.experiment()).wait(240) == 0, lab.log()
    else:
        assert lab.start(str(BIN / "nnictl"), "resume", lab.experiment(), "--port", str(lab.port)).wait(60) == 0
        lab.until(lambda: lab.rest("check-status")["status"] == "DONE", 240)
        lab.start(str(BIN / "nnictl"), "stop", "--all").wait(60)
    names = {
        trial: number
        for trial, number in lab.query("select trialJobId, sequenceId from TrialJobEvent where sequenceId is not null")
    }
    assert sorted(names.values()) == [0, 1, 2]
    first = next(trial for trial, number in names.items() if number == 0)
    assert lab.query(f"select event from TrialJobEvent where trialJobId = '{first}'") == [("RUNNING",), ("SUCCEEDED",)]
    for trial in names:
        assert lab.query(f"select event from TrialJobEvent where trialJobId = '{trial}'")[-1] == ("SUCCEEDED",)
        told = lab.query(
            f"select sequence from MetricData where trialJobId = '{trial}' and type = 'PERIODICAL' order by sequence"
        )
        assert [sequence for (sequence,) in told] == list(range(20)), trial
    if command == "launch":  # NNI's own grid would give the interrupted trial's seed once more, instead of the last
        data = lab.query("select data from TrialJobEvent where event = 'RUNNING' and data is not null")
        assert {json.loads(text)["parameters"]["seed"] for (text,) in data} == {0, 1, 2}


def test_an_interrupted_experiment_goes_on(lab: Lab) -> None:
    lab.write({"strategy": ["ssr"], "seed": [0, 1]}, epochs=40)
    process = lab.launch("experiment.yml")
    lab.until(lambda: lab.trials() and lab.query("select 1 from MetricData"))
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130
    assert lab.log().splitlines()[-1].endswith(f"interrupted; go on with: ssr-nas launch --resume {lab.experiment()}")
    assert not lab.managers()
    again = lab.launch("--resume", lab.experiment(), "--json")
    assert again.wait(240) == 0, lab.log()
    told = json.loads(lab.log().splitlines()[-1])
    assert told["trials"] == {"SUCCEEDED": 2} and Path(lab.folder, told["best"]["file"]).is_file()
    refused = lab.launch("--resume", "nobody")
    assert refused.wait(60) == 2


def test_terminated_while_the_manager_starts(lab: Lab) -> None:
    lab.write({"strategy": ["ssr"]})
    process = lab.launch("experiment.yml")
    lab.until(lab.managers)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert "interrupted; " in lab.log() and not lab.managers()


def test_a_crash_of_the_tuner(lab: Lab) -> None:
    lab.write({"strategy": ["ssr"], "seed": [0, 1]})
    text = (lab.folder / "experiment.yml").read_text()
    (lab.folder / "experiment.yml").write_text(
        text.replace("{name: GridSearch}", "{codeDirectory: ., className: mine.Mine}")
    )
    (lab.folder / "mine.py").write_text(TUNER)
    process = lab.launch("experiment.yml")
    assert process.wait(120) == 1, lab.log()
    last = lab.log().splitlines()[-1]
    assert (
        "ended in status ERROR: " in last
        and f"ssr-nas launch --resume {lab.experiment()}" in last
        and "no reason" not in last
    )
    assert any(
        "no idea" in path.read_text() for path in (lab.home / "nni-experiments" / lab.experiment() / "log").iterdir()
    )
    assert not lab.managers() and len(list((lab.folder / "runs").glob("*/architecture.json"))) == 1


def test_an_experiment_without_a_network_fails(lab: Lab) -> None:
    lab.write({"data.root": ["/nowhere"], "data.name": ["camvid"]})
    process = lab.launch("experiment.yml")
    assert process.wait(120) == 1
    log = lab.log()
    assert (
        "/nowhere" in log
        and log.splitlines()[-1].startswith("ssr-nas launch: error: ")
        and "no trial has left a network" in log
    )
    assert not lab.managers() and not (lab.folder / "runs").exists()
