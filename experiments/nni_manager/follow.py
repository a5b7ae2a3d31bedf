"""Following an experiment in the terminal until all of its trials have ended."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from tqdm import tqdm

from experiments.nni_manager.records import by_name, metric_of
from experiments.nni_manager.rest import Rest

POLL = 1.0  # seconds between two looks at the manager
ENDED = ("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED")
OVER = ("DONE", "STOPPED", "ERROR")


class ManagerError(RuntimeError):
    """NNI's manager has ended before its experiment."""


def follow(rest: Rest, total: int | None, alive: Callable[[], bool], keep: Callable[[], None]) -> str:
    """Print a line for each trial that ends, until the experiment is over, and return its last status.

    Args:
        rest: of the manager.
        total: trials that it will run, if that is known.
        alive: whether the manager's process still runs.
        keep: called at every look.

    Raises:
        ManagerError: the manager has ended.
    """
    printed: set[str] = set()
    best: float | None = None
    with tqdm(total=total, desc="trials", unit="trial", disable=None) as bar:
        while True:
            keep()
            try:
                status, trials = rest.status(), rest.get("trial-jobs")
            except requests.RequestException:
                if not alive():
                    raise ManagerError("NNI's manager has ended") from None
                time.sleep(POLL)
                continue
            for trial in (trial for trial in trials if trial["status"] in ENDED and trial["trialJobId"] not in printed):
                printed.add(trial["trialJobId"])
                bar.write(format_trial_line(trial, rest))
                best = max(filter(None, (best, _result(trial).get("default"))), default=None)
                bar.update()
            running = sum(trial["status"] == "RUNNING" for trial in trials)
            bar.set_postfix_str(f"{running} running" + (f", best mIoU {100 * best:.1f} %" if best is not None else ""))
            if status in OVER:
                return status
            time.sleep(POLL)


def format_trial_line(trial: Mapping[str, Any], rest: Rest) -> str:
    """One ended trial in words."""
    parameters = json.loads(trial["hyperParameters"][-1])["parameters"] if trial.get("hyperParameters") else {}
    values = " ".join(f"{key}={value}" for key, value in by_name(parameters).items())
    result = _result(trial)
    if trial["status"] == "SUCCEEDED" and {"default", "macs", "discrete", "seconds"} <= result.keys():
        state = f"{'discrete' if result['discrete'] else 'cut'}, {result['seconds']:.0f} s"
        at = f" at {result['resolution']}" if result.get("resolution") else ""
        outcome = f"mIoU {100 * result['default']:.1f} %{at}, {result['macs'] / 1e6:.1f} M MACs, {state}"
    elif trial["status"] == "FAILED":
        try:
            outcome = rest.reason(trial["trialJobId"])
        except requests.RequestException:  # of one trial; the next look shows whether the manager still runs
            outcome = "its reason could not be read"
    else:
        outcome = f"mIoU {100 * result['default']:.1f} %" if "default" in result else "no result"
    return f"{trial['sequenceId']:>3} {trial['trialJobId']} {trial['status']}: {values}: {outcome}"


def _result(trial: Mapping[str, Any]) -> dict[str, Any]:
    metrics = trial.get("finalMetricData") or []
    return metric_of(metrics[-1]["data"]) if metrics else {}
