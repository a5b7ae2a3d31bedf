"""The address at which the workers of a remote experiment call its manager."""

import ipaddress
from collections.abc import Sequence
from typing import Any

from experiments.nni_manager.nni_internals import is_resumed, store_address
from experiments.nni_manager.start import LOOPBACK
from nas_space.errors import InputError


def contact(stored: str | None, hosts: Sequence[str], is_given: bool = True) -> str:
    """The address that the workers call.

    Args:
        stored: ``nniManagerIp`` of the experiment's file or of its launch before this one.
        hosts: where the manager listens, see ``addresses``.
        is_given: whether the experiment's file says ``stored``. What an earlier ``--host`` has left gives way.

    Raises:
        InputError: it listens everywhere, and nothing says by which address it is reached.
    """
    if list(hosts) == [LOOPBACK]:  # the worker's end of a tunnel
        return LOOPBACK
    everywhere = ipaddress.ip_address(hosts[-1]).is_unspecified
    if stored is not None and not _is_local(stored) and (is_given or everywhere):
        return stored
    if everywhere:
        fix = "set nniManagerIp in the experiment's file, or give --host ADDRESS"
        raise InputError(f"--host {hosts[-1]}: the remote machines must be told one address of this machine: {fix}")
    return hosts[-1]


def _is_local(address: str) -> bool:
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
    # What the file says stays at the top; below it stands what is told.
    given = experiment.config.nni_manager_ip
    address = contact(given or stored, hosts, is_given=given is not None or not is_resumed(experiment))
    experiment.config.training_service.nni_manager_ip = address
    if is_resumed(experiment) and address != stored:
        store_address(experiment.id, address)
