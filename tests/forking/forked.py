"""Processes that are forked from one that has loaded the libraries (fork_server.py), not started anew.

They are children of the test's process, with a folder, an environment, streams, signals and an exit code as any other.
What a test promises of the start of a process itself needs a real one.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fork_messages import receive
from fork_popen import execute_child
from fork_relay import connected

PR_SET_CHILD_SUBREAPER = 36
RELAY = """\
#!{python} -sE
import sys
sys.path.insert(0, {folder!r})
from fork_relay import relay
relay({address!r}, [{program!r}, *sys.argv[1:]])
"""


class ForkServer:
    """Started when it is wanted first; ends with ``close``, or with this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="forks-")  # a socket's path is at most 107 bytes long

    @property
    def address(self) -> str:
        """Of its socket."""
        address = Path(self._folder.name, "socket")
        if self._process is None:
            command = [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(address)]
            threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            environment = {**os.environ, **threads, "MPLBACKEND": "agg"}
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, start_new_session=True
            )
        while not address.exists():
            assert self._process.poll() is None, "the fork server has ended"
            threading.Event().wait(0.05)
        return str(address)

    @contextmanager
    def __call__(self, spares: int = 0) -> Iterator[None]:
        """Python programs that ``subprocess.Popen`` starts inside are forked.

        Args:
            spares: how many programs each of them starts in its turn, at most; more are started as ever.
        """

        def obtain(job: dict[str, Any], streams: Sequence[int]) -> int | None:
            with self._lock, _adopting():
                parent = {"parent": os.getpid(), "spares": spares}
                with connected(self.address, {**job, **parent}, streams) as connection:
                    child, _ = receive(connection)
            assert child is not None, "the fork server has ended"
            return int(child)

        self.address  # noqa: B018  # it is started as ever
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess.Popen, "_execute_child", execute_child(obtain))
            yield

    def program(self, folder: Path, program: Path) -> Path:
        """Write a program of the same name into ``folder``, for shells and others that look for it on ``PATH``."""
        folder.mkdir()
        file = folder / program.name
        here = str(Path(__file__).parent)
        file.write_text(RELAY.format(python=sys.executable, folder=here, address=self.address, program=str(program)))
        file.chmod(0o755)
        return folder

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()
        self._folder.cleanup()


@contextmanager
def _adopting() -> Iterator[None]:
    """Inside, an orphan below this process becomes its child."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
