"""Trials that this process submits, from a manager's answers."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from nni.runtime.msg_dispatcher import MsgDispatcher
from nni.runtime.tuner_command_channel import CommandType

from experiments.nni_manager import custom_trials
from experiments.nni_manager.custom_trials import CustomTrials, config_of
from experiments.nni_manager.follow import ManagerError
from experiments.nni_manager.idle_tuner import IdleTuner
from experiments.nni_manager.nni_internals import dispatcher_class


class Manager:
    """Answers a sequence of looks: status of the experiment, and of each trial with its metric and its output."""

    def __init__(self, *looks: Any) -> None:
        self.looks = list(looks)
        self.submitted: list[Mapping[str, Any]] = []
        self.busy = 0

    def submit(self, parameters: Mapping[str, Any]) -> int:
        if self.busy:
            self.busy -= 1
            raise requests.ConnectionError
        self.submitted.append(parameters)
        return 6 + len(self.submitted)  # those before are of somebody else

    def status(self) -> str:
        look = self.looks[0]
        if isinstance(look, Exception):
            self.looks.pop(0)
            raise look
        return str(look[0])

    def get(self, path: str) -> Any:
        assert path == "trial-jobs"
        self.shown = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        trials = [{"sequenceId": 3, "trialJobId": "other", "status": "FAILED"}]
        for number, (status, metric, _) in enumerate(self.shown[1:], 7):
            of_trial = [{"data": json.dumps(json.dumps(metric))}] if metric else None
            one = {"sequenceId": number, "trialJobId": f"t{number}", "status": status, "finalMetricData": of_trial}
            trials.append(one)
        return trials

    def output(self, trial: str, stream: str) -> str:
        text = str(self.shown[int(trial[1:]) - 6][2])
        if stream == "stderr":
            return text.upper()
        assert stream == "log"
        of_nni = "[2026-11-29 11:21:09] INFO (nni.runtime) Connect [1] PRINT no\n"
        return of_nni + text.replace("epoch", "[2026-11-29 11:22:22] PRINT epoch")

    def reason(self, trial: str) -> str:
        return f"no memory for {trial}"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom_trials, "POLL", 0.0)


def trials_of(manager: Manager, code: int | None = None) -> CustomTrials:
    return CustomTrials(manager, lambda: code, lambda: "the tuner died")  # type: ignore[arg-type]


GOOD = {"default": 0.1 + 0.2, "seconds": 3.0}
RUNNING = ("RUNNING", None, "")


def test_each_trial_is_told_once_as_it_ends() -> None:
    manager = Manager(
        ("RUNNING", ("WAITING", None, ""), RUNNING, RUNNING, RUNNING),
        ("RUNNING", RUNNING, ("SUCCEEDED", GOOD, ""), ("FAILED", None, ""), RUNNING),
        requests.ConnectionError(),
        ("RUNNING", ("SUCCEEDED", GOOD, ""), ("SUCCEEDED", GOOD, ""), ("FAILED", None, ""), RUNNING),
        ("RUNNING", *[("SUCCEEDED", GOOD, "")] * 2, ("FAILED", None, ""), ("USER_CANCELED", GOOD, "")),
    )
    manager.busy = 1
    told: list[Any] = []
    trials_of(manager).run_all([{"seed": n} for n in range(4)], lambda *end: told.append(end))
    assert [one["seed"] for one in manager.submitted] == [0, 1, 2, 3]
    stopped = "trial t10: was stopped from elsewhere (USER_CANCELED)"
    assert told == [(1, GOOD), (2, "trial t9: no memory for t9"), (0, GOOD), (3, stopped)]


def test_a_result_that_comes_late_is_waited_for() -> None:
    late = ("RUNNING", ("SUCCEEDED", None, ""))
    assert trials_of(Manager(late, late, ("RUNNING", ("SUCCEEDED", GOOD, "")))).run({}) == GOOD
    with pytest.raises(RuntimeError, match="^has reported no result$"):
        trials_of(Manager(late)).run({})


def test_what_a_trial_writes_is_printed_once_in_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["", "epoch 1\nepo", "epoch 1\nepoch 2\n", "epoch 1\nepoch 2\nepoch 3\n"]
    looks = [("RUNNING", ("RUNNING", None, text)) for text in texts[:3]]
    trials_of(Manager(*looks, ("RUNNING", ("SUCCEEDED", GOOD, texts[3])))).run({})
    printed = capsys.readouterr()
    assert printed.out == "epoch 1\nepoch 2\nepoch 3\n" and printed.err == printed.out.upper()
    unended = [("RUNNING", RUNNING[:2] + ("epoch 1",)), ("RUNNING", ("SUCCEEDED", GOOD, "epoch 1\nepoch 2"))]
    trials_of(Manager(*unended)).run({})
    assert capsys.readouterr().out == "epoch 1\nepoch 2\n"
    trials_of(Manager(("RUNNING", ("SUCCEEDED", GOOD, "epoch 1\n")))).run_all([{}], lambda *end: None)
    assert capsys.readouterr() == ("", "")


def test_a_manager_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**6, 100))
    monkeypatch.setattr(custom_trials.time, "monotonic", lambda: float(next(clock)))
    answers = [requests.HTTPError("500 Server Error")] * 5
    with pytest.raises(ManagerError, match="^NNI's manager has given no answer for 300 seconds$"):
        trials_of(Manager(*answers)).run({})


@pytest.mark.parametrize(
    ("looks", "message"),
    [
        ([("ERROR", RUNNING)], "NNI's experiment has failed: the tuner died"),
        ([("STOPPING", RUNNING)], "NNI's experiment was stopped from elsewhere"),
        ([("RUNNING", RUNNING), requests.ConnectionError()], "NNI's manager has ended"),
    ],
)
def test_no_trial_is_waited_for_in_vain(looks: list[Any], message: str) -> None:
    with pytest.raises(ManagerError, match=message):
        trials_of(Manager(*looks), code=-9).run({})


def test_an_idle_tuner_is_not_asked_for_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked, it would have no more from the start, and the web UI would show an experiment at its end."""
    sent: dict[type[MsgDispatcher], list[Any]] = {}
    for kind in (dispatcher_class(), MsgDispatcher):
        dispatcher = kind("ws://_unittest_placeholder_", IdleTuner())
        monkeypatch.setattr(dispatcher, "send", lambda *message, kind=kind: sent.setdefault(kind, []).append(message))
        dispatcher.handle_initialize({})
        if kind is MsgDispatcher:
            with pytest.raises(NotImplementedError):
                dispatcher.handle_request_trial_jobs(2)
        else:
            dispatcher.handle_request_trial_jobs(2)
    assert [message[0] for message in next(iter(sent.values()))] == [CommandType.Initialized]


def test_nni_takes_the_experiment() -> None:
    config = config_of("fit", "ssr-nas fit-trial", 2).canonical_copy()
    config.validate()
    assert config.tuner.class_name == "experiments.nni_manager.idle_tuner.IdleTuner"
