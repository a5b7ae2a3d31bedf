"""Following an experiment in the terminal until all of its trials have ended."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import requests
from tqdm import tqdm

from experiments.nni_manager.records import by_name, metric_of
from experiments.nni_manager.rest import Rest

POLL = 1.0  # seconds between two looks at the manager
QUIET = 6.0  # seconds without a trial that waits or runs; NNI looks for work every half second, or every five
IDLE = 60.0  # seconds without a trial that runs, which are told
NONE_RUNS = "NNI has no machine or GPU for them (see trialGpuNumber, nnimanager.log), or its tuner gives none"

# Every status of NNI 3.0 for a trial, and for an experiment. The test of this file takes them from NNI's own files.
ENDED = ("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED")
PENDING = ("WAITING", "RUNNING", "UNKNOWN", "ADD_RESUMED")
GOES_ON = ("INITIALIZED", "RUNNING", "NO_MORE_TRIAL")  # NO_MORE_TRIAL becomes DONE by itself
EXHAUSTED = "TUNER_NO_MORE_TRIAL"  # stays for ever: NNI waits for further trials of a tuner that has none
STOPPED_ELSEWHERE = ("STOPPING", "STOPPED")
OVER = ("DONE", "ERROR", "VIEWED", *STOPPED_ELSEWHERE)


class ManagerError(RuntimeError):
    """NNI's manager has ended before its experiment."""


def follow(
    rest: Rest,
    total: int | None,
    poll: Callable[[], int | None],
    keep: Callable[[], None],
    resumed: bool = False,
) -> str:
    """Print a line for each trial that starts and for each that ends, until the experiment is over; return its status.

    What a trial has warned of, such as too few steps, is printed with the first trial that has; so is NNI's limit,
    where one has ended the experiment.

    It is over in a status of ``OVER``. In ``EXHAUSTED``, and in one that NNI 3.0 does not have, it is over when no
    trial has waited or run for ``QUIET`` seconds.

    Args:
        rest: of the manager.
        total: trials that it will run, if that is known.
        poll: the exit code of the manager's process; None while it runs.
        keep: called at every look.
        resumed: whether the experiment goes on with trials of an earlier manager.

    Raises:
        ManagerError: the manager has ended, and nobody has stopped it.
    """
    started: set[str] = set()
    printed: set[str] = set()
    warned: set[str] = set()
    best: float | None = None
    status, quiet, idle, none_runs = "", _Since(), _Since(), False
    with tqdm(total=total, desc="trials", unit="trial", disable=None) as bar:
        while True:
            keep()
            try:
                status, trials = rest.status(), rest.get("trial-jobs")
            except requests.RequestException:
                if (code := poll()) is None:
                    time.sleep(POLL)
                    continue
                if code == 0 or status in STOPPED_ELSEWHERE:  # NNI's manager ends in order when it is told to stop
                    return "STOPPED"
                raise ManagerError("NNI's manager has ended") from None
            for trial in (trial for trial in trials if trial["status"] in ENDED and trial["trialJobId"] not in printed):
                printed.add(trial["trialJobId"])
                bar.write(format_trial_line(trial, rest))
                for warning in _warnings(trial, rest):
                    if warning not in warned:
                        warned.add(warning)
                        bar.write(f"    {warning} (trial {trial['trialJobId']}; the same of another is not told again)")
                best = max(filter(None, (best, _result(trial).get("default"))), default=None)
                bar.update()
            for trial in (trial for trial in trials if trial["status"] == "RUNNING"):
                if trial["trialJobId"] not in started:
                    started.add(trial["trialJobId"])
                    bar.write(_begin(trial))
            running = sum(trial["status"] == "RUNNING" for trial in trials)
            pending = sum(trial["status"] not in ENDED for trial in trials)
            bar.set_postfix_str(f"{running} running" + (f", best mIoU {100 * best:.1f} %" if best is not None else ""))
            if status in OVER:
                if status == "DONE" and (limit := _limit(rest, len(trials))) is not None:
                    bar.write(limit)
                return status
            if quiet.lasts(status not in GOES_ON and not pending, QUIET) and not _queued(rest, trials, resumed):
                bar.write(
                    f"the tuner has no more trials: {len(trials)} have run"
                    + (f", not {total}" if total not in (None, len(trials)) else "")
                )
                return status
            if idle.lasts(not running, IDLE) and not none_runs:
                none_runs = True
                bar.write(f"no trial has run for {IDLE:.0f} s: {NONE_RUNS}")
            time.sleep(POLL)


def _warnings(trial: Mapping[str, Any], rest: Rest) -> list[str]:
    try:
        return rest.warnings(trial["trialJobId"])
    except requests.RequestException:  # as of a reason
        return []


def _limit(rest: Rest, trials: int) -> str | None:
    """Which of its limits has ended an experiment, in words; None where it cannot be told."""
    try:
        limits = rest.get("experiment")["params"]
        most, longest = limits.get("maxTrialNumber"), limits.get("maxExperimentDuration")
    except (requests.RequestException, KeyError, TypeError, AttributeError):
        return None
    have_run = f"{trials} trial{'s have' if trials != 1 else ' has'} run"
    if isinstance(most, int) and trials >= most:
        return f"stopped by maxTrialNumber {most}: {have_run}"
    if longest is None:
        return None
    return f"stopped by maxExperimentDuration {longest}: {have_run}" + (f", not {most}" if most is not None else "")


class _Since:
    """How long something has been so without a break."""

    def __init__(self) -> None:
        self._start: float | None = None

    def lasts(self, now_so: bool, seconds: float) -> bool:
        """Whether it has been so for as long as that; called at every look."""
        if not now_so:
            self._start = None
            return False
        self._start = time.monotonic() if self._start is None else self._start
        return time.monotonic() - self._start >= seconds


def _queued(rest: Rest, trials: Sequence[Mapping[str, Any]], resumed: bool) -> bool:
    """Whether the tuner has given a trial that is not submitted yet: a list of trials does not show it.

    NNI numbers trials as they come. It submits them in that order. A resumed experiment numbers from 1.
    """
    try:
        following = int(rest.get("experiment")["nextSequenceId"])
    except (requests.RequestException, KeyError, TypeError, ValueError):
        return True  # the next look knows more
    return following - 1 > max((trial.get("sequenceId") or 0 for trial in trials), default=0 if resumed else -1)


def _begin(trial: Mapping[str, Any]) -> str:
    """Which trial it is, how it is, and its parameters."""
    parameters = json.loads(trial["hyperParameters"][-1])["parameters"] if trial.get("hyperParameters") else {}
    values = " ".join(f"{key}={value}" for key, value in by_name(parameters).items())
    return f"{trial['sequenceId']:>3} {trial['trialJobId']} {trial['status']}: {values}"


def format_trial_line(trial: Mapping[str, Any], rest: Rest) -> str:
    """One ended trial in words."""
    result = _result(trial)
    if trial["status"] == "SUCCEEDED" and {"default", "macs", "discrete", "seconds"} <= result.keys():
        state = f"{'discrete' if result['discrete'] else 'not discrete'}, {result['seconds']:.0f} s"
        at = f" at {result['resolution']}" if result.get("resolution") else ""
        outcome = f"mIoU {100 * result['default']:.1f} %{at}, {result['macs'] / 1e6:.1f} M MACs, {state}"
    elif trial["status"] == "FAILED":
        try:
            outcome = rest.reason(trial["trialJobId"])
        except requests.RequestException:  # of one trial; the next look shows whether the manager still runs
            outcome = "its reason could not be read"
    else:
        outcome = f"mIoU {100 * result['default']:.1f} %" if "default" in result else "no result"
    return f"{_begin(trial)}: {outcome}"


def _result(trial: Mapping[str, Any]) -> dict[str, Any]:
    metrics = trial.get("finalMetricData") or []
    return metric_of(metrics[-1]["data"]) if metrics else {}
