"""What the terminal shows of an experiment, from a manager's answers."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from experiments.nni_manager.follow import (
    ENDED,
    EXHAUSTED,
    GOES_ON,
    OVER,
    PENDING,
    QUIET,
    STOPPED_ELSEWHERE,
    ManagerError,
    follow,
    format_trial_line,
)


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

    limits: dict[str, Any] = {}
    next_number = 1  # of the trial after the last that the tuner has given

    def __init__(self, *looks: Any) -> None:
        self.looks = list(looks)

    def status(self) -> str:
        look = self.looks[0]
        if isinstance(look, Exception):
            self.looks.pop(0)
            raise look
        return str(look[0])

    def get(self, path: str) -> Any:
        if path == "experiment":
            return {"nextSequenceId": self.next_number, "params": self.limits}
        assert path == "trial-jobs"
        return self.looks.pop(0)[1]

    def reason(self, name: str) -> str:
        return f"why {name}"

    def warnings(self, name: str) -> list[str]:
        return []


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
    assert follow(manager, 3, lambda: None, lambda: kept.append(1)) == "DONE"  # type: ignore[arg-type]
    captured = capsys.readouterr()
    told = [text for text in captured.out.splitlines() if text.strip()]
    assert told == [
        "  0 t0 RUNNING: strategy=ssr row=IE(2)",
        "  0 t0 SUCCEEDED: strategy=ssr row=IE(2): mIoU 50.0 %, 30.0 M MACs, discrete, 12 s",
        "  1 t1 RUNNING: strategy=ssr row=IE(2)",
        "  1 t1 FAILED: strategy=ssr row=IE(2): why t1",
        "  2 t2 USER_CANCELED: strategy=ssr row=IE(2): no result",
    ]
    assert "best mIoU 50.0 %" in captured.err and len(kept) == 5


def test_a_search_that_was_not_discrete_is_called_so() -> None:
    line = format_trial_line(trial(0, "SUCCEEDED", **{**GOOD, "discrete": 0}), None)  # type: ignore[arg-type]
    assert line.endswith("30.0 M MACs, not discrete, 12 s")


def test_a_trial_of_another_program(capsys: pytest.CaptureFixture[str]) -> None:
    for result in ({"default": 0.25}, {"default": 0.25, "macs": 3.0}):
        assert format_trial_line(trial(0, "SUCCEEDED", **result), None).endswith("mIoU 25.0 %")  # type: ignore[arg-type]


def test_a_reason_that_cannot_be_asked_for_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    class Busy(Manager):
        def reason(self, name: str) -> str:
            raise requests.ConnectionError

    assert follow(Busy(("DONE", [trial(0, "FAILED")])), 1, lambda: None, lambda: None) == "DONE"  # type: ignore[arg-type]
    assert "0 t0 FAILED: strategy=ssr row=IE(2): its reason could not be read" in capsys.readouterr().out


@pytest.mark.parametrize("status", ["SUCCEEDED", "EARLY_STOPPED"])
def test_what_trials_warn_of_is_told_once(status: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A cut or stopped trial says in its own log alone that it had too few steps."""

    class Warns(Manager):
        def warnings(self, name: str) -> list[str]:
            if name == "t3":
                raise requests.ConnectionError
            return ["warning: 4 steps are too few"] if name != "t2" else ["warning: other"]

    looks = [("DONE", [trial(number, status, **GOOD) for number in range(4)])]
    follow(Warns(*looks), None, lambda: None, lambda: None)  # type: ignore[arg-type]
    out = capsys.readouterr().out
    assert out.count("warning: 4 steps are too few (trial t0;") == out.count("too few") == 1
    assert out.count("warning: other (trial t2;") == 1 and " t3 " in out


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"maxTrialNumber": 2}, "stopped by maxTrialNumber 2: 2 trials have run"),
        ({"maxTrialNumber": 9, "maxExperimentDuration": "10m"}, "maxExperimentDuration 10m: 2 trials have run, not 9"),
        ({"maxExperimentDuration": "10m"}, "stopped by maxExperimentDuration 10m: 2 trials have run"),
        ({}, None),
        (None, None),
    ],
)
def test_the_limit_that_ends_it_is_told(
    limits: dict[str, Any], told: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    manager = Manager(("DONE", [trial(number, "SUCCEEDED", **GOOD) for number in range(2)]))
    manager.limits = limits
    assert follow(manager, None, lambda: None, lambda: None) == "DONE"  # type: ignore[arg-type]
    out = capsys.readouterr().out
    assert told in out if told else "stopped by" not in out


def test_the_manager_has_ended() -> None:
    with pytest.raises(ManagerError, match="has ended"):
        follow(Manager(requests.ConnectionError()), None, lambda: 1, lambda: None)  # type: ignore[arg-type]


def test_every_status_of_nni_is_known() -> None:
    """As NNI's own files name them: a status that is not listed would be followed for ever."""
    import nni_node

    core = Path(str(nni_node.__file__)).parent / "core"
    manager = (core / "nnimanager.js").read_text(encoding="utf-8")
    experiment = set(re.findall(r"setStatus\('([A-Z_]+)'\)", manager)) | {"INITIALIZED"}
    assert experiment == {*GOES_ON, *OVER, EXHAUSTED}
    files = "".join(file.read_text(encoding="utf-8") for file in core.glob("*.js"))
    named = re.findall(r"case '([A-Z_]+)':", files)
    others = {"USER_TO_CANCEL", "ADD_CUSTOMIZED", "ADD_HYPERPARAMETER"}  # events, after which a trial has a status
    settings = {"TRIAL_CONCURRENCY", "MAX_EXEC_DURATION", "SEARCH_SPACE", "MAX_TRIAL_NUM"}
    assert set(named) - others - settings <= {*ENDED, *PENDING}
    assert set(ENDED) <= set(named)


class Clock:
    """Every look takes ``step`` seconds."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now

    def sleep(self, seconds: float) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(QUIET / 3)
    monkeypatch.setattr("experiments.nni_manager.follow.time", clock)
    return clock


@pytest.mark.parametrize("status", [EXHAUSTED, "A_STATUS_OF_ANOTHER_NNI"])
def test_a_tuner_without_further_trials_ends_it(status: str, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    done = trial(0, "SUCCEEDED", **GOOD)
    manager = Manager(("RUNNING", [done]), *[(status, [trial(0, "RUNNING")])] * 9, *[(status, [done])] * 9)
    assert follow(manager, 5, lambda: None, lambda: None) == status  # type: ignore[arg-type]
    assert 0 < len(manager.looks) < 9  # not while a trial runs, and not for ever
    assert "the tuner has no more trials: 1 have run, not 5" in capsys.readouterr().out


def test_a_trial_that_is_given_and_not_yet_submitted_is_waited_for(clock: Clock) -> None:
    done, second = trial(0, "SUCCEEDED", **GOOD), trial(1, "SUCCEEDED", **GOOD)
    manager = Manager(*[(EXHAUSTED, [done])] * 20, *[(EXHAUSTED, [done, second])] * 9)
    manager.next_number = 2
    assert follow(manager, None, lambda: None, lambda: None) == EXHAUSTED  # type: ignore[arg-type]
    assert len(manager.looks) < 9


def test_the_wait_is_longer_than_nni_s_own_and_short_for_a_user() -> None:
    assert 5.0 < QUIET <= 10.0  # NNI looks for work every five seconds at most


def test_no_trial_at_all_ends_it(clock: Clock) -> None:
    manager = Manager(*[(EXHAUSTED, [])] * 9)
    manager.next_number = 0
    assert follow(manager, None, lambda: None, lambda: None) == EXHAUSTED  # type: ignore[arg-type]


def test_a_short_pause_is_no_end(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """A tuner such as Hyperband has no trial for a moment, and more when it knows the results."""
    ended, more = [trial(0, "SUCCEEDED", **GOOD)], [trial(0, "SUCCEEDED", **GOOD), trial(1, "RUNNING")]
    looks = [(EXHAUSTED, ended), ("RUNNING", more), (EXHAUSTED, ended), ("RUNNING", more), ("DONE", more)]
    assert follow(Manager(*looks), 2, lambda: None, lambda: None) == "DONE"  # type: ignore[arg-type]
    assert "no more trials" not in capsys.readouterr().out


@pytest.mark.parametrize("pending", PENDING)
def test_a_trial_in_each_of_these_is_waited_for(pending: str, clock: Clock) -> None:
    looks = [(EXHAUSTED, [trial(0, pending)])] * 20 + [("DONE", [])]
    assert follow(Manager(*looks), None, lambda: None, lambda: None) == "DONE"  # type: ignore[arg-type]


@pytest.mark.parametrize("status", OVER)
def test_these_end_it_at_once(status: str) -> None:
    assert follow(Manager((status, [])), None, lambda: None, lambda: None) == status  # type: ignore[arg-type]


@pytest.mark.parametrize(("before", "code"), [("RUNNING", 0), *((status, 1) for status in STOPPED_ELSEWHERE[:1])])
def test_a_manager_that_somebody_else_has_stopped(before: str, code: int) -> None:
    looks = [(before, []), requests.ConnectionError()] if code == 0 else [(before, [])]
    assert follow(Manager(*looks), None, lambda: code, lambda: None) in STOPPED_ELSEWHERE  # type: ignore[arg-type]


@pytest.mark.parametrize("waiting", [[], [trial(0, "WAITING")]], ids=["not submitted", "submitted"])
def test_trials_that_do_not_start_are_told_once(
    waiting: list[dict[str, Any]], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """NNI keeps a trial that no machine takes, or whose start it repeats for ever, out of its list."""
    done = trial(0, "SUCCEEDED", **GOOD)
    follow(Manager(*[("RUNNING", waiting)] * 60, ("DONE", [done])), 1, lambda: None, lambda: None)  # type: ignore[arg-type]
    assert capsys.readouterr().out.count("no trial has run for 60 s: NNI has no machine or GPU for them") == 1
