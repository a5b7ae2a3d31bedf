"""The address at which the workers of a remote experiment call its manager."""

import ipaddress
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from experiments.nni_manager.records import database
from experiments.nni_manager.start import LOOPBACK
from nas_space.errors import InputError


def contact(stored: str | None, hosts: Sequence[str]) -> str:
    """The address that the workers call.

    Args:
        stored: ``nniManagerIp`` of the experiment's file or of its launch before this one.
        hosts: where the manager listens, see ``addresses``.

    Raises:
        InputError: it listens everywhere, and nothing says by which address it is reached.
    """
    if list(hosts) == [LOOPBACK]:  # the worker's end of a tunnel
        return LOOPBACK
    if stored is not None and not _means_nobody(stored):
        return stored
    if ipaddress.ip_address(hosts[-1]).is_unspecified:
        own = "set nniManagerIp in the experiment's file, or give --host ADDRESS"
        raise InputError(f"--host {hosts[-1]}: the remote machines must be told one address of this machine: {own}")
    return hosts[-1]


def _means_nobody(address: str) -> bool:
    """Whether another machine that calls ``address`` does not reach this one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address == "localhost"
    return parsed.is_loopback or parsed.is_unspecified


def tell_workers(experiment: Any, hosts: Sequence[str]) -> None:
    """Let the workers of an NNI ``Experiment`` that is about to start call where its manager will listen.

    Raises:
        InputError: see ``contact``.
    """
    stored = experiment.config.canonical_copy().training_service.nni_manager_ip
    address = contact(stored, hosts)
    experiment.config.nni_manager_ip = experiment.config.training_service.nni_manager_ip = address
    if experiment._action == "resume" and address != stored:
        _store(experiment.id, address)


def _store(experiment: str, address: str) -> None:
    """Write the address into the database of a stopped experiment: NNI resumes with what is there, whatever it is given."""
    with closing(sqlite3.connect(database(experiment), timeout=30)) as connection, connection:
        query = "select revision, params from ExperimentProfile order by revision desc limit 1"
        revision, params = connection.execute(query).fetchone()
        content = json.loads(params)
        content["nniManagerIp"] = content["trainingService"]["nniManagerIp"] = address
        connection.execute(
            "update ExperimentProfile set params = ? where revision = ?", (json.dumps(content), revision)
        )
