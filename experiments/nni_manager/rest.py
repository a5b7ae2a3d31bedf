"""NNI's REST interface of a running manager."""

from collections.abc import Mapping
from typing import Any

import requests


class Rest:
    """The manager at a port of this machine, asked without any proxy.

    Args:
        port: of the web UI.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False

    def get(self, path: str) -> Any:
        """The JSON behind ``/api/v1/nni/<path>``."""
        answer = self._session.get(f"{self.url}/api/v1/nni/{path}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    def status(self) -> str:
        """``RUNNING``, ``DONE``, ``NO_MORE_TRIAL``, ``STOPPED``, ``ERROR``, ..."""
        return str(self.get("check-status")["status"])

    def errors(self) -> list[str]:
        """What NNI says of an experiment in the status ``ERROR``."""
        return [str(error) for error in self.get("check-status").get("errors", [])]

    def reason(self, trial: str) -> str:
        """The last line that a trial has written to standard error."""
        lines = self._errors_of(trial)
        return lines[-1] if lines else "no reason on its standard error"

    def warnings(self, trial: str) -> list[str]:
        """The lines that a trial has written as warnings, such as that it has too few steps."""
        return [line for line in self._errors_of(trial) if line.startswith("warning: ")]

    def _errors_of(self, trial: str) -> list[str]:
        return self.output(trial, "stderr").strip().splitlines()

    def output(self, trial: str, stream: str) -> str:
        """A trial's ``stderr`` or ``log`` so far, in which NNI keeps what it prints; nothing where it is not there."""
        answer = self._session.get(f"{self.url}/api/v1/nni/trial-file/{trial}/trial.{stream}", timeout=30)
        answer.encoding = "utf-8"
        return answer.text if answer.ok else ""

    def submit(self, parameters: Mapping[str, Any]) -> int:
        """Submit a trial beside those of the tuner; returns its number, which NNI calls ``sequenceId``."""
        answer = self._session.post(f"{self.url}/api/v1/nni/trial-jobs", json=dict(parameters), timeout=30)
        answer.raise_for_status()
        return int(answer.json()["sequenceId"])

    def stop(self) -> None:
        """End the experiment: running trials are stopped, and can be resumed."""
        self._session.delete(f"{self.url}/api/v1/nni/experiment", timeout=60)
