"""Starting NNI's manager with its web UI on chosen addresses only."""

import errno
import ipaddress
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from experiments.nni_manager.nni_internals import patient_launcher
from nas_space.errors import InputError

LOOPBACK = "127.0.0.1"
PORT = 8080
"""Of the web UI, where nobody says it; NNI's own."""
PRELOAD = Path(__file__).with_name("loopback.cjs")
OWNER = "SSR_NAS_OWNER"  # read by loopback.cjs, and by the trials
TWO_PORTS = ("kubeflow", "frameworkcontroller", "remote")  # for these, NNI wants the next port too


def addresses(host: str) -> list[str]:
    """Where the manager listens for ``--host``: always on the loopback address too, where NNI's own parts talk to it.

    Raises:
        InputError: no address of this machine.
    """
    try:
        address = ipaddress.ip_address(LOOPBACK if host == "localhost" else host)
    except ValueError:
        raise InputError(f"--host {host}: give an IP address of this machine, or 0.0.0.0 for all of them") from None
    if address.is_unspecified or str(address) == LOOPBACK:
        return [str(address)]
    return [LOOPBACK, str(address)]


def check_ports(hosts: Sequence[str], port: int, platform: str) -> None:
    """Make sure that the manager can listen.

    Raises:
        InputError: the port is taken or out of range, or an address is not this machine's.
    """
    ports = [port, port + 1] if platform in TWO_PORTS else [port]
    if not 1024 <= port <= 65534:
        raise InputError(f"--port {port}: must be from 1024 to 65534")
    for host in hosts:
        for number in ports:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, number))
                except OSError as error:
                    if error.errno == errno.EADDRNOTAVAIL:
                        raise InputError(f"--host {host}: not an address of this machine") from None
                    needed = "" if number == port else f" (NNI's {platform} service takes the port after --port too)"
                    raise InputError(f"--port {number}: in use on {host}{needed}; choose another with --port") from None


@contextmanager
def manager_environment(hosts: Sequence[str], owner: int | None = None) -> Iterator[None]:
    """A manager started inside listens on ``hosts`` alone, finds this environment's commands, and calls no proxy.

    Args:
        hosts: see ``addresses``.
        owner: id of a process with which the manager ends, however that one ends; None for none.
    """
    quoted = str(PRELOAD).replace("\\", "\\\\").replace('"', '\\"')
    node_options = (os.environ.get("NODE_OPTIONS"), f'--require "{quoted}"')
    without_proxy = (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "localhost,127.0.0.1,::1")
    changes = {
        "NODE_OPTIONS": " ".join(filter(None, node_options)),
        "SSR_NAS_LISTEN": ",".join(hosts),
        "NO_PROXY": ",".join(filter(None, without_proxy)),
        "no_proxy": ",".join(filter(None, without_proxy)),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        **({} if owner is None else {OWNER: str(owner)}),
    }
    before = {key: os.environ[key] for key in changes if key in os.environ}
    os.environ.update(changes)
    try:
        yield
    finally:
        for key in changes:
            del os.environ[key]
        os.environ.update(before)


def kill(manager: "subprocess.Popen[bytes]") -> None:
    """Kill a manager with what it has started; NNI gives it a process group of its own."""
    # The group is left where only the manager has been killed; macOS refuses one of dead processes alone.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(manager.pid, signal.SIGKILL)
    manager.wait()


def log_folder(experiment: Any) -> Path:
    """Where the manager of an NNI ``Experiment`` writes its logs."""
    return Path(experiment.config.canonical_copy().experiment_working_directory, experiment.id, "log")


def start_manager(experiment: Any, hosts: Sequence[str], port: int, owner: int | None = None) -> None:
    """Start the manager of an NNI ``Experiment``, which then outlives this process; a start that fails leaves nothing.

    Args:
        experiment: not started yet.
        hosts: where it listens.
        port: of its web UI.
        owner: see ``manager_environment``.

    Raises:
        RuntimeError: it does not start; the message has its reason.
    """
    from nni.experiment import RunMode

    for name in ("nni", "nni.experiment"):  # it would print addresses at which the web UI does not answer
        logging.getLogger(name).setLevel(logging.CRITICAL)
    log = log_folder(experiment) / "nnictl_stderr.log"
    with manager_environment(hosts, owner), patient_launcher() as started:
        try:
            experiment.start(port, run_mode=RunMode.Detach)
        except BaseException as error:  # an interrupt too: NNI's launcher forgets the process then
            for manager in started:
                kill(manager)
            if not isinstance(error, Exception):
                raise
            last = log.read_text(errors="replace").strip().splitlines()[-1:] if log.is_file() else []
            reason = " ".join([str(error), *last])
            raise RuntimeError(f"NNI's manager did not start: {reason}; its log: {log.parent}") from None
