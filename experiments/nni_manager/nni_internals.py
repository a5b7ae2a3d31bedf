"""Everything in NNI 3.0's internals that this folder patches or reads. loopback.cjs patches NNI's Node code.

The test of this file lists them, and says which of them another NNI lacks.
"""

import json
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from nas_space.errors import InputError

HOME = "nni-experiments"
START = 60.0  # seconds in which a manager must answer
PROFILES = "select revision, params from ExperimentProfile order by revision desc limit 1"
STORE_PROFILE = "update ExperimentProfile set params = ? where revision = ?"
EVENTS = "select trialJobId, event, data, sequenceId from TrialJobEvent order by timestamp, rowid"
RESULTS = "select trialJobId, data from MetricData where type = 'FINAL' order by timestamp, rowid"


def resuming(config: Any, experiment: str) -> Any:
    """NNI's ``Experiment`` whose start resumes the stopped one of this id; NNI's own ``resume`` also starts it."""
    from nni.experiment import Experiment

    resumed = Experiment(config, id=experiment)
    resumed._action = "resume"
    return resumed


def is_resumed(experiment: Any) -> bool:
    """Whether the start of this ``Experiment`` resumes a stopped one."""
    return bool(experiment._action == "resume")


def manager_process(experiment: Any) -> "subprocess.Popen[bytes] | None":
    """The process of an ``Experiment``'s manager; None before its start."""
    return experiment._proc


@contextmanager
def patient_launcher() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Patch NNI's launcher: it waits ``START`` seconds for a manager, and the list holds each process that it starts.

    NNI's own waits three seconds, too few on a busy machine. It takes the manager's first answer, which is no JSON, for
    a failure. And it hands the process out only when the manager is ready.
    """
    import requests
    from nni.experiment import launcher, rest

    def wait(port: int, retry: int = 3, url_prefix: str | None = None) -> None:
        deadline = time.monotonic() + START
        while True:
            try:
                rest.get(port, "/check-status", url_prefix)
                return
            except (requests.RequestException, ValueError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)

    started: list[subprocess.Popen[bytes]] = []
    check, start_server = launcher._check_rest_server, launcher._start_rest_server

    def start(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":
        started.append(start_server(*arguments, **options))
        return started[-1]

    launcher._check_rest_server, launcher._start_rest_server = wait, start
    try:
        yield started
    finally:
        launcher._check_rest_server, launcher._start_rest_server = check, start_server


def dispatcher_class() -> Any:
    """NNI's ``MsgDispatcher``, which also reports a failure of the tuner, and tells a grid of the resumed trials.

    With NNI's own, a tuner or assessor that raises seems to have ended well, and the experiment waits for ever. And its
    grid search gives the parameters of an interrupted trial once more, to a further trial. An ``IdleTuner`` would have
    no more trials from the start: here it is not asked, and the experiment counts as running.
    """
    from nni.algorithms.hpo.gridsearch_tuner import GridSearchTuner
    from nni.runtime.msg_dispatcher import MsgDispatcher

    from experiments.nni_manager.idle_tuner import IdleTuner

    class Dispatcher(MsgDispatcher):
        def process_command(self, command: Any, data: Any) -> None:
            try:
                super().process_command(command, data)
            except Exception as error:
                self.report_error(f"{type(error).__name__}: {error}")
                raise

        def handle_request_trial_jobs(self, data: Any) -> None:
            if not isinstance(self.tuner, IdleTuner):
                super().handle_request_trial_jobs(data)

        def handle_add_customized_trial(self, data: Any) -> None:
            super().handle_add_customized_trial(data)
            if isinstance(self.tuner, GridSearchTuner):
                trials = [json.loads(item) if isinstance(item, str) else item for item in data]
                parameters = [trial.get("parameters") for trial in trials]
                self.tuner.import_data([{"parameter": values} for values in parameters if isinstance(values, dict)])

    return Dispatcher


def run_tuner() -> None:
    """Run NNI's tuner process, as ``python -m nni`` does, with our dispatcher."""
    import nni.__main__ as nni_main

    nni_main.MsgDispatcher = dispatcher_class()
    nni_main.main()


def database(experiment: str) -> Path:
    """The database of an experiment, by NNI's id.

    Raises:
        InputError: there is none.
    """
    if not re.fullmatch(r"[\w-]{1,32}", experiment):
        raise InputError(f"{experiment}: not an experiment's id; `nnictl experiment list --all` shows them")
    folder = Path.home() / HOME
    try:
        known = json.loads((folder / ".experiment").read_text(encoding="utf-8"))
        folder = Path(known[experiment]["logDir"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not in NNI's list: it may lie in the default folder
    path = folder / experiment / "db" / "nni.sqlite"
    if not path.is_file():
        fix = "`nnictl experiment list --all` shows their ids"
        raise InputError(f"{experiment}: no such experiment in {folder}; {fix}")
    return path


def read_tables(path: Path) -> list[list[tuple[Any, ...]]]:
    """The rows of ``PROFILES``, ``EVENTS`` and ``RESULTS``, read without disturbing a manager that runs.

    Raises:
        sqlite3.Error: the database is damaged.
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
        return [connection.execute(query).fetchall() for query in (PROFILES, EVENTS, RESULTS)]


def store_address(experiment: str, address: str) -> None:
    """Write the manager's address into the database of a stopped experiment: NNI resumes with what is stored there."""
    with closing(sqlite3.connect(database(experiment), timeout=30)) as connection, connection:
        revision, params = connection.execute(PROFILES).fetchone()
        profile = json.loads(params)
        profile["trainingService"]["nniManagerIp"] = address
        connection.execute(STORE_PROFILE, (json.dumps(profile), revision))
