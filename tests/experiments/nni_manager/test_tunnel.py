"""The tunnels: the command, and what happens when it fails. That they carry a search is in test_remote.py."""

import os
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.nni_manager import tunnel
from experiments.nni_manager.tunnel import SETTLE, Tunnels, tunnel_command
from nas_space.errors import InputError

# It writes its log before it answers: who has the answer finds the log.
PRESENT = "echo up >> {log}; echo 'debug1: remote forward success for: listen 127.0.0.1:8080' >&2; exec sleep {seconds}"


class Clock:
    """Stands for the module ``time``: only who sleeps makes it go on."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 10 * SETTLE, "waits for ever"


def machine(**changes: Any) -> Any:
    values = {
        "host": "worker",
        "port": 22,
        "user": "me",
        "password": None,
        "ssh_key_file": "/k",
        "ssh_passphrase": None,
    }
    return SimpleNamespace(**{**values, **changes})


def fake_ssh(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "ssh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_the_command_forwards_loopback_to_loopback() -> None:
    command = tunnel_command(machine(host="-oProxyCommand=evil", port=2222), 8080)
    assert command[command.index("-R") + 1] == "127.0.0.1:8080:127.0.0.1:8080"
    assert command[-2:] == ["--", "-oProxyCommand=evil"] and "ExitOnForwardFailure=yes" in command
    assert command[command.index("-i") + 1] == "/k"


@pytest.mark.parametrize("changes", [{"password": "x"}, {"ssh_passphrase": "x"}])
def test_no_password_can_be_typed(changes: dict[str, str]) -> None:
    with pytest.raises(InputError, match="worker: a tunnel needs a key without a passphrase"):
        Tunnels([machine(**changes)], 8080)


def test_a_machine_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "SETTLE", 120.0)
    fake_ssh(
        tmp_path,
        "echo 'debug1: hello' >&2; echo 'me@worker: Permission denied (publickey).' >&2; exit 255",
        monkeypatch,
    )
    with pytest.raises(InputError, match=r"worker: no tunnel by ssh \(me@worker: Permission denied"):
        Tunnels([machine()], 8080)


def test_a_machine_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ``SETTLE`` seconds, on a clock of its own, both machines are given up and both processes are ended."""
    clock, start, processes = Clock(), tunnel._start, []

    def started(*arguments: Any) -> "subprocess.Popen[bytes]":
        processes.append(start(*arguments))
        return processes[-1]

    monkeypatch.setattr(tunnel, "time", clock)
    monkeypatch.setattr(tunnel, "_start", started)
    fake_ssh(tmp_path, "exec sleep 3600", monkeypatch)
    with pytest.raises(InputError, match="no answer"):
        Tunnels([machine(), machine(host="other")], 8080)
    assert SETTLE < clock.now <= SETTLE + 0.5
    assert len(processes) == 2 and all(process.returncode is not None for process in processes)


def test_who_reads_the_answers_leaves_the_place_where_ssh_writes() -> None:
    """A process that shares its handle with the reader would write its second answer over the first."""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            ["sh", "-c", "echo first >&2; read go; echo remote forward success >&2"],
            stdin=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        handle: Any = SimpleNamespace(fileno=log.fileno)  # no place of it can be moved
        deadline = time.monotonic() + 120
        while tunnel._read(handle) != b"first\n":
            assert time.monotonic() < deadline
        process.communicate(b"go\n")
        tunnel._wait(["ssh", "worker"], process, handle)
        assert tunnel._read(handle) == b"first\nremote forward success\n"


def test_no_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="ssh: not found"):
        Tunnels([machine()], 8080)
    Tunnels([], 8080).close()


def test_a_lost_tunnel_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "RETRY", 0.0)
    monkeypatch.setattr(tunnel, "SETTLE", 120.0)
    log = tmp_path / "log"
    fake_ssh(tmp_path, PRESENT.format(log=log, seconds=1), monkeypatch)
    tunnels = Tunnels([machine()], 8080)
    deadline = time.monotonic() + 120
    while len(log.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline
        tunnels.keep()
        time.sleep(0.2)
    tunnels.close()
    assert all(process.poll() is not None for process in tunnels._processes)
