"""What the terminal shows of an experiment, from a manager's answers."""

import json
import sys
from typing import Any

import pytest
import requests

from experiments.nni_manager.follow import ManagerError, follow, format_trial_line


def trial(number: int, status: str, **result: Any) -> dict[str, Any]:
    parameters = json.dumps(
        {"parameter_id": number, "parameters": {"strategy": "ssr", "row": {"_name": "IE(2)", "seed": 1}}}
    )
    metric = [{"data": json.dumps(json.dumps(result))}] if result else None
    return {
        "trialJobId": f"t{number}",
        "sequenceId": number,
        "status": status,
        "hyperParameters": [parameters],
        "finalMetricData": metric,
    }


GOOD = {"default": 0.5, "macs": 30e6, "discrete": 1, "seconds": 12.0}


class Manager:
    """Answers a sequence of looks; an exception is raised."""

    def __init__(self, *looks: Any) -> None:
        self.looks = list(looks)

    def status(self) -> str:
        look = self.looks[0]
        if isinstance(look, Exception):
            self.looks.pop(0)
            raise look
        return str(look[0])

    def get(self, path: str) -> Any:
        assert path == "trial-jobs"
        return self.looks.pop(0)[1]

    def reason(self, name: str) -> str:
        return f"why {name}"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.nni_manager.follow.POLL", 0.0)


def test_every_trial_is_told_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)  # where there is a bar
    kept: list[int] = []
    manager = Manager(
        ("RUNNING", [trial(0, "RUNNING")]),
        requests.ConnectionError(),  # busy for a moment
        ("RUNNING", [trial(0, "SUCCEEDED", **GOOD), trial(1, "RUNNING")]),
        ("NO_MORE_TRIAL", [trial(0, "SUCCEEDED", **GOOD), trial(1, "FAILED")]),
        ("DONE", [trial(0, "SUCCEEDED", **GOOD), trial(1, "FAILED"), trial(2, "USER_CANCELED")]),
    )
    assert follow(manager, 3, lambda: True, lambda: kept.append(1)) == "DONE"  # type: ignore[arg-type]
    captured = capsys.readouterr()
    told = [text for text in captured.out.splitlines() if text.strip()]
    assert told == [
        "  0 t0 SUCCEEDED: strategy=ssr row=IE(2): mIoU 50.0 %, 30.0 M MACs, discrete, 12 s",
        "  1 t1 FAILED: strategy=ssr row=IE(2): why t1",
        "  2 t2 USER_CANCELED: strategy=ssr row=IE(2): no result",
    ]
    assert "best mIoU 50.0 %" in captured.err and len(kept) == 5


def test_a_trial_of_another_program(capsys: pytest.CaptureFixture[str]) -> None:
    for result in ({"default": 0.25}, {"default": 0.25, "macs": 3.0}):
        assert format_trial_line(trial(0, "SUCCEEDED", **result), None).endswith("mIoU 25.0 %")  # type: ignore[arg-type]


def test_a_reason_that_cannot_be_asked_for_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    class Busy(Manager):
        def reason(self, name: str) -> str:
            raise requests.ConnectionError

    assert follow(Busy(("DONE", [trial(0, "FAILED")])), 1, lambda: True, lambda: None) == "DONE"  # type: ignore[arg-type]
    assert "0 t0 FAILED: strategy=ssr row=IE(2): its reason could not be read" in capsys.readouterr().out


def test_the_manager_has_ended() -> None:
    with pytest.raises(ManagerError, match="has ended"):
        follow(Manager(requests.ConnectionError()), None, lambda: False, lambda: None)  # type: ignore[arg-type]
