"""A whole experiment under NNI's real manager: who can reach it, and how it ends."""

import json
import os
import signal
from typing import Any

import psutil
import pytest

from nas_space.architecture import Architecture
from nas_space.network import SegmentationNetwork

pytestmark = pytest.mark.slow
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


def outside() -> list[str]:
    """This machine's addresses that others reach; requests takes no link-local ones, with the name of an interface."""
    found = [
        address.address
        for interface in psutil.net_if_addrs().values()
        for address in interface
        if address.family in (2, 10)
    ]
    return [address for address in found if not address.startswith(("127.", "fe80")) and address != "::1"]


def test_only_this_machine_is_answered_and_the_best_network_is_exported(lab: Any) -> None:
    lab.write({"strategy": ["unheard-of", "ssr"], "seed": [0]}, program="ssr-nas")
    if outside():  # what the launcher is for: plain nnictl answers everybody
        lab.start(str(lab.bin / "nnictl"), "create", "--config", "experiment.yml", "--port", str(lab.port)).wait(300)
        lab.until(lambda: lab.answers("127.0.0.1"))
        assert all(lab.answers(address) for address in outside())
        lab.start(str(lab.bin / "nnictl"), "stop", "--all").wait(300)
        lab.until(lambda: not lab.managers())
        os.rename(lab.home / "nni-experiments", lab.home / "plain")
    process = lab.launch("experiment.yml")
    lab.until(lambda: any(trial["status"] == "FAILED" for trial in lab.trials()))
    assert lab.answers("127.0.0.1") and not any(lab.answers(address) for address in outside())
    assert process.wait(300) == 0, lab.log()
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
    exporting = lab.start(str(lab.bin / "ssr-nas"), "export-best", lab.experiment(), "--json")  # the manager has ended
    assert exporting.wait(300) == 0
    assert json.loads(lab.log().splitlines()[-1])["parameters"] == {"strategy": "ssr", "seed": 0}
    for folder in (lab.home / "nni-experiments").glob("*/environments/*/trials/*"):
        text = (folder / "trial.stderr").read_text()
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("warning: ")]
        assert len(lines) == (0 if (folder / "search.json").exists() else 1), lines


def test_terminated_while_the_manager_starts(lab: Any) -> None:
    lab.write({"strategy": ["ssr"]})
    process = lab.launch("experiment.yml")
    lab.until(lab.managers)
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 130
    assert "interrupted; " in lab.log() and not lab.managers()


def test_a_crash_of_the_tuner(lab: Any) -> None:
    lab.write({"strategy": ["ssr"], "seed": [0, 1]})
    text = (lab.folder / "experiment.yml").read_text()
    (lab.folder / "experiment.yml").write_text(
        text.replace("{name: GridSearch}", "{codeDirectory: ., className: mine.Mine}")
    )
    (lab.folder / "mine.py").write_text(TUNER)
    process = lab.launch("experiment.yml")
    assert process.wait(300) == 1, lab.log()
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


def test_an_experiment_without_a_network_fails(lab: Any) -> None:
    lab.write({"data.root": ["/nowhere"], "data.name": ["camvid"]})
    process = lab.launch("experiment.yml")
    assert process.wait(300) == 1
    log = lab.log()
    assert (
        "/nowhere" in log
        and log.splitlines()[-1].startswith("ssr-nas launch: error: ")
        and "no trial has left a network" in log
    )
    assert not lab.managers() and not (lab.folder / "runs").exists()
