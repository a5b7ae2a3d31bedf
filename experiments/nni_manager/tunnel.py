"""SSH tunnels: by them, trials on other machines reach a manager that listens on the loopback address alone."""

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from subprocess import DEVNULL, Popen
from typing import IO, Any

from nas_space.errors import InputError

SETTLE = 20.0  # seconds in which a tunnel must stand
RETRY = 10.0  # seconds between two attempts to build a lost tunnel again


def tunnel_command(machine: Any, port: int) -> list[str]:
    """The ``ssh`` command that carries ``port`` of a remote machine's loopback address to the same port here.

    Args:
        machine: NNI's ``RemoteMachineConfig``.
        port: of the manager.

    Raises:
        InputError: the machine is not reached by a key that ssh may use by itself.
    """
    if machine.password or machine.ssh_passphrase:
        fix = "a tunnel needs a key without a passphrase (sshKeyFile); or open the port by --host"
        raise InputError(f"machineList: {machine.host}: {fix}")
    flags = ("BatchMode=yes", "ExitOnForwardFailure=yes", "StrictHostKeyChecking=accept-new", "ServerAliveInterval=15")
    settings = [part for flag in flags for part in ("-o", flag)]
    key = ["-i", str(machine.ssh_key_file)] if machine.ssh_key_file else []
    forward = ["-N", "-v", "-R", f"127.0.0.1:{port}:127.0.0.1:{port}"]
    return ["ssh", *settings, *key, *forward, "-p", str(machine.port), "-l", machine.user, "--", machine.host]


class Tunnels:
    """One tunnel for each machine, built again when it is lost.

    Args:
        machines: NNI's ``machineList``.
        port: of the manager.

    Raises:
        InputError: there is no ssh, or a machine cannot be reached.
    """

    def __init__(self, machines: Sequence[Any], port: int) -> None:
        if machines and shutil.which("ssh") is None:
            raise InputError("ssh: not found; install OpenSSH's client, or open the port by --host")
        self._commands = [tunnel_command(machine, port) for machine in machines]
        self._processes: list[Popen[bytes]] = []
        self._logs: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in machines]
        self._tried = time.monotonic()
        try:
            for command, log in zip(self._commands, self._logs, strict=True):
                self._processes.append(_start(command, log))
            for command, process, log in zip(self._commands, self._processes, self._logs, strict=True):
                _wait(command, process, log)
        except BaseException:
            self.close()
            raise

    def keep(self) -> None:
        """Build lost tunnels again."""
        if time.monotonic() - self._tried < RETRY:
            return
        for number, process in enumerate(self._processes):
            if process.poll() is not None:
                self._tried = time.monotonic()
                self._processes[number] = _start(self._commands[number], self._logs[number])

    def close(self) -> None:
        """End all tunnels."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()
        for log in self._logs:
            log.close()


def _start(command: list[str], log: IO[bytes]) -> Popen[bytes]:
    # Its own session: Ctrl+C ends the manager first, which still speaks through it.
    return Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=log, start_new_session=True)


def _read(log: IO[bytes]) -> bytes:
    # The process shares the place in its file with this handle. This read does not move it.
    return os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0)


def _wait(command: list[str], process: Popen[bytes], log: IO[bytes]) -> None:
    deadline = time.monotonic() + SETTLE
    while True:
        lines = _read(log).decode(errors="replace").strip().splitlines()
        if any("remote forward success" in line for line in lines):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            answers = [line for line in lines if not line.startswith(("debug", "OpenSSH", "Warning:"))]
            reason = (answers or lines or ["no answer"])[-1]
            fix = "mend the machine's entry, or use --host"
            raise InputError(f"machineList: {command[-1]}: no tunnel by ssh ({reason}); {fix}")
        time.sleep(0.2)
