"""A whole experiment under NNI's real manager goes on after a kill and after an interrupt."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("command", ["nnictl", "launch"])
def test_a_killed_manager_is_resumed_and_no_finished_trial_runs_again(command: str, lab: Any) -> None:
    lab.write({"strategy": ["ssr"], "seed": [0, 1, 2]}, epochs=12)
    process = lab.launch("experiment.yml")
    lab.until(lambda: [trial["status"] for trial in lab.trials()][:2] == ["SUCCEEDED", "RUNNING"])
    second = lab.trials()[1]["trialJobId"]
    lab.until(lambda: lab.query(f"select 1 from MetricData where trialJobId = '{second}'"))
    (manager,) = lab.managers()
    manager.kill()
    assert process.wait(300) == 1
    assert f"--resume {lab.experiment()}" in lab.log() and "Traceback" not in lab.log()
    if command == "launch":
        assert lab.launch("--resume", lab.experiment()).wait(300) == 0, lab.log()
    else:
        assert lab.start(str(lab.bin / "nnictl"), "resume", lab.experiment(), "--port", str(lab.port)).wait(300) == 0
        lab.until(lambda: lab.rest("check-status")["status"] == "DONE", 300)
        lab.start(str(lab.bin / "nnictl"), "stop", "--all").wait(300)
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
        assert [sequence for (sequence,) in told] == list(range(12)), trial
    if command == "launch":  # NNI's own grid would give the interrupted trial's seed once more, instead of the last
        data = lab.query("select data from TrialJobEvent where event = 'RUNNING' and data is not null")
        assert {json.loads(text)["parameters"]["seed"] for (text,) in data} == {0, 1, 2}


def test_an_interrupted_experiment_goes_on(lab: Any) -> None:
    lab.write({"strategy": ["ssr"], "seed": [0, 1]}, epochs=20)
    process = lab.launch("experiment.yml")
    lab.until(lambda: lab.trials() and lab.query("select 1 from MetricData"))
    process.send_signal(signal.SIGINT)
    assert process.wait(300) == 130
    assert lab.log().splitlines()[-1].endswith(f"interrupted; go on with: ssr-nas launch --resume {lab.experiment()}")
    assert not lab.managers()
    again = lab.launch("--resume", lab.experiment(), "--json")
    assert again.wait(300) == 0, lab.log()
    told = json.loads(lab.log().splitlines()[-1])
    assert told["trials"] == {"SUCCEEDED": 2} and Path(lab.folder, told["best"]["file"]).is_file()
    refused = lab.launch("--resume", "nobody")
    assert refused.wait(300) == 2
