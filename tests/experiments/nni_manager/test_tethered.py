"""A grid that is resumed gives every point once, and the manager hears of a tuner that fails."""

import os
import subprocess
from typing import Any

import nni
import pytest
from nni.algorithms.hpo.gridsearch_tuner import GridSearchTuner
from nni.runtime.msg_dispatcher import MsgDispatcher
from nni.runtime.tuner_command_channel import CommandType

from experiments.nni_manager.nni_internals import dispatcher_class
from experiments.nni_manager.tethered import _is_alive

Dispatcher = dispatcher_class()
SPACE = {"strategy": {"_type": "choice", "_value": ["ssr", "darts"]}, "seed": {"_type": "choice", "_value": [0, 1]}}


def resumed(kind: type[MsgDispatcher], as_text: bool = False) -> list[Any]:
    """What is still given after one trial has ended and one was interrupted."""
    tuner = GridSearchTuner()
    tuner.update_search_space(SPACE)
    points = [{"strategy": "ssr", "seed": 0}, {"strategy": "ssr", "seed": 1}]
    dispatcher = kind("ws://_unittest_placeholder_", tuner)
    tuner.import_data([{"parameter": points[0], "value": 0.5}])
    interrupted = {"parameter_id": 1, "parameter_source": "resumed", "parameters": points[1], "parameter_index": 0}
    dispatcher.handle_add_customized_trial([nni.dump(interrupted) if as_text else interrupted])
    given = []
    with pytest.raises(nni.NoMoreTrialError):
        while True:
            given.append(tuner.generate_parameters(len(given)))
    return given


@pytest.mark.parametrize("as_text", [False, True])
def test_an_interrupted_trial_is_not_given_again(as_text: bool) -> None:
    rest = [{"strategy": "darts", "seed": 0}, {"strategy": "darts", "seed": 1}]
    assert resumed(Dispatcher, as_text) == rest
    assert resumed(MsgDispatcher) == [{"strategy": "ssr", "seed": 1}, *rest]  # NNI's own, which is why ours exists


def test_a_failure_of_the_tuner_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def update(space: Any) -> None:
        raise ValueError("no idea")

    tuner = GridSearchTuner()
    monkeypatch.setattr(tuner, "update_search_space", update)
    dispatcher = Dispatcher("ws://_unittest_placeholder_", tuner)
    told: list[Any] = []
    monkeypatch.setattr(dispatcher, "send", lambda *message: told.append(message))
    with pytest.raises(ValueError, match="no idea"):
        dispatcher.process_command(CommandType.UpdateSearchSpace, SPACE)
    assert told == [(CommandType.Error, "ValueError: no idea")]


def test_a_killed_process_that_nobody_waits_for_has_ended() -> None:
    with subprocess.Popen(["sleep", "3600"]) as process:
        assert _is_alive(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        assert not _is_alive(process.pid)
    assert not _is_alive(process.pid)
