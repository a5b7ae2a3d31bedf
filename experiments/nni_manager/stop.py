"""Ending NNI's manager: after the last trial, a failure, an interrupt or SIGTERM."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests

from experiments.nni_manager.follow import ManagerError
from experiments.nni_manager.nni_internals import manager_process
from experiments.nni_manager.rest import Rest
from experiments.nni_manager.start import log_folder


def resume_hint(experiment: str) -> str:
    """How the user goes on with a stopped experiment."""
    return f"go on with: ssr-nas launch --resume {experiment}"


@contextmanager
def stopping(experiment: Any, rest: Rest, hint: str) -> Iterator[None]:
    """Stop the manager that is started inside at the end, and at an interrupt say how to go on.

    Args:
        experiment: NNI's ``Experiment``.
        rest: of its manager.
        hint: how to go on once it has begun, where an interrupt does not say it itself.

    Raises:
        RuntimeError: the manager has ended before its experiment.
        KeyboardInterrupt: with the way to go on as its text.
    """
    way = hint
    try:
        yield
    except ManagerError as error:
        raise RuntimeError(f"{error}; its log: {log_folder(experiment)}; {hint}") from None
    except KeyboardInterrupt as interrupt:
        if manager_process(experiment) is None:
            way = "nothing has begun yet; give the same command again"
        way = str(interrupt) or way
        raise KeyboardInterrupt(way) from None
    finally:
        if (process := manager_process(experiment)) is not None:
            try:
                with suppress(requests.RequestException):  # it has ended, or somebody else has stopped it already
                    rest.stop()
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
            except KeyboardInterrupt:  # once more: no manager goes on without this process
                process.kill()
                raise KeyboardInterrupt(way) from None


def failure_reason(experiment: Any, rest: Rest) -> str:
    """Why an experiment is in the status ``ERROR``, in NNI's words."""
    try:
        reason = "; ".join(error.rstrip(".\n") for error in rest.errors()) or "NNI gives no reason"
    except requests.RequestException:
        reason = "NNI's manager does not answer"
    return f"{reason}; its log: {log_folder(experiment)}"
