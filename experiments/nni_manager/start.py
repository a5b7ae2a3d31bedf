"""Starting NNI's manager with its web UI on chosen addresses only."""

import ipaddress
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from nas_space.errors import InputError

LOOPBACK = "127.0.0.1"
PRELOAD = Path(__file__).with_name("loopback.cjs")
START = 60.0
"""Seconds in which a manager must answer."""
TWO_PORTS = ("kubeflow", "frameworkcontroller", "remote")
"""Platforms for which NNI wants the next port too."""


def addresses(host: str) -> list[str]:
    """Where the manager listens for ``--host``: NNI's own parts talk to it on the loopback address, so that is always among them.

    Raises:
        InputError: no address of this machine.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
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
                    if error.errno == 99:  # EADDRNOTAVAIL
                        raise InputError(f"--host {host}: not an address of this machine") from None
                    needed = "" if number == port else f" (NNI's {platform} service takes the port after --port too)"
                    raise InputError(f"--port {number}: in use on {host}{needed}; choose another with --port") from None


@contextmanager
def manager_environment(hosts: Sequence[str]) -> Iterator[None]:
    """A manager started inside listens on ``hosts`` alone, finds this environment's commands, and uses no proxy to talk to itself."""
    quoted = str(PRELOAD).replace("\\", "\\\\").replace('"', '\\"')
    own = f'--require "{quoted}"'
    without_proxy = ",".join(
        filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "localhost,127.0.0.1,::1"))
    )
    changes = {
        "NODE_OPTIONS": " ".join(filter(None, (os.environ.get("NODE_OPTIONS"), own))),
        "SSR_NAS_LISTEN": ",".join(hosts),
        "NO_PROXY": without_proxy,
        "no_proxy": without_proxy,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
    }
    before = {key: os.environ.get(key) for key in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


@contextmanager
def _patched_launcher() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """NNI's launcher, which waits long enough and tells, in the list, what it has started.

    By itself it gives a manager three seconds to answer, too few on a busy machine, takes its first word, which is no
    JSON, for a failure, and keeps the process to itself until the manager is ready.
    """
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


def _kill(manager: "subprocess.Popen[bytes]") -> None:
    """Kill a manager with what it has started; NNI gives it a process group of its own."""
    if manager.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(manager.pid, signal.SIGKILL)
        manager.wait()


def start_manager(experiment: Any, hosts: Sequence[str], port: int) -> None:
    """Start the manager of an NNI ``Experiment``, which then outlives this process; where that fails or is interrupted, nothing is left.

    Raises:
        RuntimeError: it does not start; the message has its reason.
    """
    from nni.experiment import RunMode

    for name in ("nni", "nni.experiment"):  # it would print addresses at which the web UI does not answer
        logging.getLogger(name).setLevel(logging.CRITICAL)
    log = Path(
        experiment.config.canonical_copy().experiment_working_directory, experiment.id, "log", "nnictl_stderr.log"
    )
    with manager_environment(hosts), _patched_launcher() as started:
        try:
            experiment.start(port, run_mode=RunMode.Detach)
        except BaseException as error:  # an interrupt too: NNI's launcher forgets the process then
            for manager in started:
                _kill(manager)
            if not isinstance(error, Exception):
                raise
            told = log.read_text(errors="replace").strip().splitlines()[-1:] if log.is_file() else []
            raise RuntimeError(
                f"NNI's manager did not start: {' '.join([str(error), *told])}; its log: {log.parent}"
            ) from None
