"""An NNI experiment to which this process submits the trials, and whose web UI shows them.

NNI calls such trials customized: its web UI can add one too. No tuner gives any.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import requests

from experiments.nni_manager.follow import ENDED, POLL, STOPPED_ELSEWHERE, ManagerError
from experiments.nni_manager.idle_tuner import IdleTuner
from experiments.nni_manager.nni_internals import manager_process
from experiments.nni_manager.records import metric_of
from experiments.nni_manager.rest import Rest
from experiments.nni_manager.start import LOOPBACK, check_ports, kill, start_manager
from experiments.nni_manager.stop import failure_reason, stopping
from experiments.runs.processes import ROOT
from nas_space.errors import InputError

LATE = 5
"""Looks at an ended trial until its result must be there: NNI stores it beside the trial's end."""
PATIENCE = 300.0
"""Seconds for which a manager may leave a question without an answer: it is busy where all cores are."""
PRINTED = re.compile(r"^\[[^]\n]*\] PRINT (.*\n)", re.MULTILINE)
"""A line of a trial's log that its process has printed: NNI leads its standard output there."""
OnEnd = Callable[[int, "dict[str, Any] | str"], None]


@dataclass(eq=False)
class CustomTrials:
    """Runs trials with given parameters.

    Args:
        rest: of the manager.
        poll: the exit code of the manager's process; None while it runs.
        reason: why the experiment is in the status ``ERROR``, in words.
    """

    rest: Rest
    poll: Callable[[], int | None]
    reason: Callable[[], str]
    _shown: dict[str, int] = field(default_factory=dict, init=False)

    def run(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run one trial to its end, and print what it writes as it comes; returns its final metric.

        Raises:
            RuntimeError: it has failed, or was stopped; the message says why.
            ManagerError: as of ``run_all``.
        """
        results: list[dict[str, Any] | str] = []
        self.run_all([parameters], lambda _, result: results.append(result), is_shown=True)
        if isinstance(results[0], str):
            raise RuntimeError(results[0])
        return results[0]

    def run_all(self, parameters: Sequence[Mapping[str, Any]], on_end: OnEnd, is_shown: bool = False) -> None:
        """Run trials, as many at a time as the experiment allows, until all have ended.

        Args:
            parameters: of each trial.
            on_end: called as each ends, with its place and its final metric, or with what went wrong.
            is_shown: print what they write.

        Raises:
            ManagerError: the manager has ended or gives no answer, or the experiment has failed or was stopped.
        """
        places: dict[int, int] = {}
        looks: dict[int, int] = {}
        for place, one in enumerate(parameters):
            places[self._asked(partial(self.rest.submit, one))] = place
        while places:
            status, trials = self._asked(lambda: (self.rest.status(), self.rest.get("trial-jobs")))
            for trial in trials:
                number = trial.get("sequenceId")
                if number not in places:
                    continue
                result, is_last = None, False
                if trial["status"] in ENDED:
                    looks[number] = looks.get(number, 0) + 1
                    result = self._result(trial)
                    is_last = result is not None or looks[number] >= LATE
                if is_shown:
                    self._show(trial["trialJobId"], is_last)
                if is_last:
                    on_end(places.pop(number), result if result is not None else "has reported no result")
            if places and (status == "ERROR" or status in STOPPED_ELSEWHERE):
                why = f"has failed: {self.reason()}" if status == "ERROR" else "was stopped from elsewhere"
                raise ManagerError(f"NNI's experiment {why}")
            if places:
                time.sleep(POLL)

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """The manager's answer; it may be busy for a while."""
        start = time.monotonic()
        while True:
            try:
                return ask()
            except requests.RequestException:
                if self.poll() is not None:
                    raise ManagerError("NNI's manager has ended") from None
                if time.monotonic() - start > PATIENCE:
                    raise ManagerError(f"NNI's manager has given no answer for {PATIENCE:g} seconds") from None
                time.sleep(POLL)

    def _result(self, trial: Mapping[str, Any]) -> dict[str, Any] | str | None:
        """The final metric of an ended trial, or what went wrong; None where it has succeeded without a metric."""
        name = trial["trialJobId"]
        if trial["status"] == "FAILED":
            return f"trial {name}: {self._asked(partial(self.rest.reason, name))}"
        if trial["status"] != "SUCCEEDED":
            return f"trial {name}: was stopped from elsewhere ({trial['status']})"
        metrics = trial.get("finalMetricData") or []
        return metric_of(metrics[-1]["data"]) if metrics else None

    def _show(self, trial: str, is_last: bool) -> None:
        """Print what a trial has written since the last look, in whole lines; a last one may have no end."""
        for stream, file in (("log", sys.stdout), ("stderr", sys.stderr)):
            text, key = self._asked(partial(self.rest.output, trial, stream)), f"{trial}/{stream}"
            start = self._shown.get(key, 0)
            if is_last and text and not text.endswith("\n"):
                text += "\n"
            self._shown[key] = end = max(text.rfind("\n") + 1, start)
            new = text[start:end]
            print(new if stream == "stderr" else "".join(PRINTED.findall(new)), end="", file=file, flush=True)


def config_of(name: str, command: str, at_once: int) -> Any:
    """NNI's ``ExperimentConfig`` of an experiment without trials of its own.

    Args:
        name: what the web UI calls it.
        command: what each trial runs, in a shell; nothing of a user's may be in it.
        at_once: trials at a time.
    """
    from nni.experiment.config import CustomAlgorithmConfig, ExperimentConfig

    config = ExperimentConfig("local")
    config.experiment_name, config.trial_command, config.trial_concurrency = name, command, at_once
    config.trial_code_directory, config.search_space = ROOT, {}
    tuner = CustomAlgorithmConfig()
    tuner.class_name, tuner.code_directory = f"{IdleTuner.__module__}.{IdleTuner.__name__}", ROOT
    config.tuner = tuner
    return config


@contextmanager
def custom_experiment(name: str, command: str, at_once: int, port: int, hint: str) -> Iterator[CustomTrials]:
    """An experiment whose manager ends with this context, and with this process, however that one ends.

    The address of its web UI is printed; it answers this machine alone.

    Args:
        name: what the web UI calls it.
        command: as of ``config_of``.
        at_once: trials at a time.
        port: of the web UI.
        hint: how to go on after an interrupt or a failure of the manager.

    Raises:
        InputError: the port cannot be used, or the manager does not start.
        RuntimeError: the manager has ended before this context.
        KeyboardInterrupt: with ``hint`` as its text.
    """
    from nni.experiment import Experiment

    check_ports([LOOPBACK], port, "local")
    experiment, rest = Experiment(config_of(name, command, at_once)), Rest(port)
    try:
        with stopping(experiment, rest, hint):
            try:
                start_manager(experiment, [LOOPBACK], port, owner=os.getpid())
            except RuntimeError as error:
                raise InputError(f"{error}; go without it with --web false") from None
            manager = manager_process(experiment)
            print(f"web UI      {rest.url}  (NNI experiment {experiment.id})", flush=True)
            poll = (lambda: 1) if manager is None else manager.poll
            yield CustomTrials(rest, poll, lambda: failure_reason(experiment, rest))
    finally:
        if (process := manager_process(experiment)) is not None:
            kill(process)  # what a killed manager has left
