"""An experiment under NNI's real manager, with a home of its own."""

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
from forked import ForkServer

EXPERIMENT = """
experimentName: tiny
trialCommand: OMP_NUM_THREADS=1 {program} trial --config search.yml
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
BIN = Path(sys.executable).parent


class Lab:
    """A home of its own, an experiment in it, and the commands as a user starts them.

    Args:
        folder: for all of it.
        forked: gives the trials, unless ``write`` says otherwise.
    """

    def __init__(self, folder: Path, forked: ForkServer) -> None:
        self.folder, self.bin = folder, BIN
        self.trial = forked.program(folder / "bin", BIN / "ssr-nas") / "ssr-nas"
        self.home = folder / "home"
        self.home.mkdir()
        self.environment = {**os.environ, "HOME": str(self.home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        self.processes: list[subprocess.Popen[str]] = []
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = int(server.getsockname()[1])

    def write(self, space: dict[str, list[Any]], epochs: int = 4, program: str | None = None) -> None:
        number = 1
        for values in space.values():
            number *= len(values)
        (self.folder / "experiment.yml").write_text(EXPERIMENT.format(trials=number, program=program or self.trial))
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

    def until(self, reached: Callable[[], Any], seconds: float = 300.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (result := reached()):
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.3)
        return result

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(300)
        for manager in self.managers():
            for child in manager.children(recursive=True):
                child.kill()
            manager.kill()


@pytest.fixture
def lab(tmp_path: Path, forked: ForkServer) -> Iterator[Lab]:
    lab = Lab(tmp_path, forked)
    yield lab
    lab.close()
