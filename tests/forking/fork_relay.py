"""A process in place of a forked one, where a shell or NNI has started it: its streams, signals, exit code and end."""

import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fork_messages import receive, send


def connected(address: str, job: dict[str, Any], streams: Sequence[int]) -> socket.socket:
    """A connection to the server, which has got the job."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    send(connection, job, streams)
    return connection


def relay(address: str, arguments: list[str]) -> None:
    """Stand for a forked process where this one was started: with its streams, signals, exit code and end."""
    job = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ), "session": False}
    with connected(address, job, (0, 1, 2)) as connection:
        child, _ = receive(connection)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: os.kill(child, number))
        code, _ = receive(connection)
    if code < 0:
        with suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
