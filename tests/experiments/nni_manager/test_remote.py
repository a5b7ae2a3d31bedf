"""Trials on another machine: a real ``sshd`` with an address of its own in a network namespace."""

import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TOOLS = all(
    shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin") for tool in ("ip", "sshd", "ssh", "ssh-keygen")
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TOOLS or os.geteuid() != 0, reason="needs root, Debian's iproute2 and openssh-server"),
]

EXPERIMENT = """
experimentName: remote
trialCommand: ssr-nas trial --config search.yml
trialCodeDirectory: {folder}
searchSpaceFile: {folder}/search_space.json
trialConcurrency: 1
maxTrialNumber: 1
tuner: {{name: GridSearch}}
trainingService:
  platform: remote
  machineList:
    - host: {worker}
      port: {port}
      user: root
      sshKeyFile: {folder}/key
      pythonPath: {python}
"""
SEARCH = """
epochs: 4
device: cpu
data: {size: 32x32, limit: 8, batch: 4}
space: {stem: 4, widths: [8, 12], dilations: [1, 2], depths: [[1, 2], [1, 2]], span: 4, step: 4}
"""


@dataclass(frozen=True)
class Worker:
    """A machine beside this one: its namespace, both addresses, and the folder with the experiment."""

    namespace: str
    manager: str
    address: str
    folder: Path

    def connects(self, address: str, port: int) -> bool:
        """Whether a program on the worker reaches a port."""
        code = f"import socket; socket.create_connection(({address!r}, {port}), timeout=60)"
        return (
            subprocess.run(
                ["ip", "netns", "exec", self.namespace, sys.executable, "-c", code], stderr=subprocess.DEVNULL
            ).returncode
            == 0
        )


def sh(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    number, port = random.SystemRandom().randrange(2**16), 2222
    name, net = f"ssrnas{number}", f"10.{200 + number % 50}.{number // 256}"
    manager, address = f"{net}.1", f"{net}.2"
    sh("ip", "netns", "add", name)
    try:
        sh("ip", "link", "add", f"m{number}", "type", "veth", "peer", "name", f"w{number}", "netns", name)
        sh("ip", "addr", "add", f"{manager}/24", "dev", f"m{number}")
        sh("ip", "link", "set", f"m{number}", "up")
        sh("ip", "-n", name, "addr", "add", f"{address}/24", "dev", f"w{number}")
        sh("ip", "-n", name, "link", "set", f"w{number}", "up")
        sh("ip", "-n", name, "link", "set", "lo", "up")
        for key in ("host_key", "key"):
            sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / key)
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd insists
        settings = {
            "Port": port,
            "ListenAddress": address,
            "HostKey": tmp_path / "host_key",
            "AuthorizedKeysFile": tmp_path / "key.pub",
            "PidFile": "none",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "PermitRootLogin": "yes",
            "Subsystem": "sftp internal-sftp",
            "SetEnv": "PIP_NO_INDEX=1",  # NNI runs `pip install nni --upgrade` there, without a network
        }
        (tmp_path / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        command = ["ip", "netns", "exec", name, shutil.which("sshd", path="/usr/sbin:/usr/bin") or "sshd", "-D", "-e"]
        with (tmp_path / "sshd.log").open("w") as log:
            sshd = subprocess.Popen([*command, "-f", str(tmp_path / "sshd_config")], stdout=log, stderr=log)
        try:
            python = Path(sys.executable).parent
            text = EXPERIMENT.format(folder=tmp_path, worker=address, port=port, python=python)
            (tmp_path / "experiment.yml").write_text(text)
            (tmp_path / "search.yml").write_text(SEARCH)
            (tmp_path / "search_space.json").write_text(json.dumps({"seed": {"_type": "choice", "_value": [0]}}))
            (tmp_path / "home").mkdir()
            yield Worker(name, manager, address, tmp_path)
        finally:
            sshd.terminate()
            sshd.wait(60)
            subprocess.run(["ssh-keygen", "-R", f"[{address}]:{port}"], capture_output=True)
    finally:
        subprocess.run(["ip", "link", "del", f"m{number}"], capture_output=True)
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def launch(worker: Worker, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    file = [] if "--resume" in arguments else [str(worker.folder / "experiment.yml")]
    command = [sys.executable, "-m", "experiments.cli", "launch", *file, "--port", str(port), *arguments]
    environment = {**os.environ, "HOME": str(worker.folder / "home")}
    with (worker.folder / "launch.log").open("w") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=worker.folder), port


def finish(worker: Worker, process: subprocess.Popen[bytes]) -> None:
    """Wait for the experiment's end, and see that the trial ran on the worker and its network came back."""
    log = worker.folder / "launch.log"
    try:
        code = process.wait(240)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        pytest.fail(log.read_text())
    assert code == 0, log.read_text()
    (database,) = (
        path
        for path in (worker.folder / "home" / "nni-experiments").glob("*/db/nni.sqlite")
        if "_latest" not in path.parts
    )
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        events = connection.execute("select event, environmentId from TrialJobEvent").fetchall()
        kinds = [kind for (kind,) in connection.execute("select type from MetricData")]
    assert events[-1][0] == "SUCCEEDED" and all("local" not in (environment or "") for _, environment in events)
    assert kinds.count("PERIODICAL") == 4 and kinds.count("FINAL") == 1
    (architecture,) = (worker.folder / "runs").rglob("architecture.json")
    assert json.loads(architecture.read_text())["stages"]


def test_a_tunnel_carries_the_metrics_and_the_web_ui_stays_closed(worker: Worker) -> None:
    process, port = launch(worker)
    seen = None
    while process.poll() is None and seen is None:
        if worker.connects("127.0.0.1", port):  # the worker's end of the tunnel
            seen = worker.connects(worker.manager, port), worker.connects(worker.manager, port + 1)
        time.sleep(1)
    finish(worker, process)
    assert seen == (False, False)


def test_a_bind_to_the_managers_address_warns_and_works(worker: Worker) -> None:
    process, port = launch(worker, "--host", worker.manager)
    reached = False
    while process.poll() is None and not reached:
        reached = worker.connects(worker.manager, port)
        time.sleep(1)
    finish(worker, process)
    assert reached and not worker.connects("127.0.0.1", port)
    assert "no login" in (worker.folder / "launch.log").read_text()


def test_an_experiment_with_a_tunnel_goes_on_at_the_managers_address(worker: Worker) -> None:
    """NNI resumes with the address that it has stored."""
    process, port = launch(worker)
    deadline = time.monotonic() + 120
    while not worker.connects("127.0.0.1", port):
        assert process.poll() is None and time.monotonic() < deadline, (worker.folder / "launch.log").read_text()
        time.sleep(1)
    while "web UI at" not in (worker.folder / "launch.log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    experiment = (worker.folder / "launch.log").read_text().split("--resume ")[-1].strip()
    process, _ = launch(worker, "--resume", experiment, "--host", worker.manager)
    finish(worker, process)
