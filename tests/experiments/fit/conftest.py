"""NNI's manager as a fit sees it, without NNI: each trial runs in this process as soon as it is submitted."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nni.runtime.trial_command_channel as channels
import pytest

from experiments.cli import main
from experiments.fit import calibrate
from experiments.fit import web as web_module
from experiments.nni_manager.custom_trials import CustomTrials
from experiments.nni_manager.trial import OUTPUT


@pytest.fixture(autouse=True)
def quick_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "TIMED_S", 0.0)


class Channel(channels.TrialCommandChannel):
    """Hands a trial its parameters, and keeps what it reports."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = parameters
        self.reported: dict[str, list[Any]] = {"PERIODICAL": [], "FINAL": []}

    def receive_parameter(self) -> Any:
        return {"parameter_id": None, "parameters": self.parameters}

    def send_metric(self, type: Any, parameter_id: Any, trial_job_id: Any, sequence: int, value: Any) -> None:
        assert parameter_id is None
        self.reported[type].append(json.loads(json.dumps(value, allow_nan=False)))


class Web:
    """A manager whose trials end before ``submit`` does.

    Args:
        folder: holds the trials' own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[tuple[Any, ...]] = []
        self.trials: list[Channel] = []
        self.ended: list[dict[str, Any]] = []

    @contextmanager
    def experiment(self, *given: Any) -> Iterator[CustomTrials]:
        self.started.append(given)
        yield CustomTrials(self, lambda: None, str)  # type: ignore[arg-type]

    def submit(self, parameters: Mapping[str, Any]) -> int:
        number, channel = len(self.trials), Channel(json.loads(json.dumps(parameters)))
        self.trials.append(channel)
        output = self.folder / str(number)
        output.mkdir(parents=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(OUTPUT, str(output))
            patch.setattr(channels, "_channel", channel)
            code = main(["fit-trial"])
        metrics = [{"data": json.dumps(json.dumps(one))} for one in channel.reported["FINAL"]]
        status = "FAILED" if code else "SUCCEEDED"
        trial = {"sequenceId": number, "trialJobId": f"t{number}", "status": status, "finalMetricData": metrics}
        self.ended.append(trial)
        return number

    def status(self) -> str:
        return "RUNNING"

    def get(self, path: str) -> Any:
        return self.ended

    def output(self, trial: str, stream: str) -> str:
        return ""

    def reason(self, trial: str) -> str:
        return "its reason is on the terminal"


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """What ``--web true`` then works with."""
    fake = Web(tmp_path / "nni")
    monkeypatch.setattr(web_module, "custom_experiment", fake.experiment)
    return fake
