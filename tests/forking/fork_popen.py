"""``subprocess.Popen`` with processes that are forked instead of started anew."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

Obtain = Callable[[dict[str, Any], Sequence[int]], int | None]
"""A job and its three streams -> the id of a child of this process that does it, or None where there is none."""
# A private name of Python 3.10 to 3.13. All else of Popen stays as it is, for its process is a child as any other.
REAL = subprocess.Popen._execute_child  # type: ignore[attr-defined]


def python_arguments(command: object) -> list[str] | None:
    """What follows ``python`` in the command line of a Python program; None of any other command."""
    if not isinstance(command, list | tuple):
        return None
    words = [os.fspath(word) for word in command]
    if words[0] == sys.executable and words[1:]:
        return words[1:] if words[1] in ("-m", "-c") or not words[1].startswith("-") else None
    return words if os.path.basename(words[0]) == "ssr-nas" and os.path.isfile(words[0]) else None


def execute_child(obtain: Obtain) -> Callable[..., None]:
    """What takes the place of ``Popen._execute_child``.

    Args:
        obtain: gives the processes. Where it has none, and for other programs, the command is started as ever.
    """

    def execute(self: Any, args: Any, *rest: Any) -> None:
        folder, environment = rest[4:6]
        read, wrote, told, write, heard, error = rest[9:15]  # the child's ends and ours, by turns
        job = {
            "arguments": python_arguments(args),
            "folder": os.path.abspath(folder or "."),
            "environment": dict(os.environ if environment is None else environment),
            "session": rest[20],
        }
        streams = [number if end == -1 else end for number, end in enumerate((read, write, error))]
        child = obtain(job, streams) if job["arguments"] else None
        if child is None:
            REAL(self, args, *rest)
            return
        self.pid, self._child_created = child, True
        devnull = getattr(self, "_devnull", None)
        pipes = {end for end, ours in ((read, wrote), (write, told), (error, heard)) if -1 not in (end, ours)}
        for number in pipes | {devnull} - {None}:
            os.close(number)
        self._closed_child_pipe_fds = True

    return execute
