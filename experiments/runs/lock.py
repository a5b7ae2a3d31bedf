"""One process at a time in a run's folder, or at a file."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nas_space.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: two processes in one folder are the user's to avoid
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
LONGEST_NAME = 200
"""Bytes of a name to which something is added."""


@contextmanager
def locked(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold a run's folder; the system lets go of it when the process ends, however it ends.

    Args:
        folder: exists.
        wait: for the process that holds it. NNI may submit a trial again while its old process still runs.

    Raises:
        InputError: another process works in the folder.
    """
    if fcntl is None:
        yield
        return
    # Not inheritable: a child that outlives this process must not hold the folder. Not truncated: it holds an id.
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            if not wait:
                busy = f"another process (pid {holder}) is working in this run"
                raise InputError(f"{folder}: {busy}; wait for it, or choose another --out") from None
            print(f"{folder}: waiting for process {holder}, which still works in this run", file=sys.stderr)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(OSError):  # a full disk: what the run writes next says so, by its name
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold a file's name by a lock file beside it, which is removed at the end; of several processes one holds it.

    Args:
        path: the file. The lock of a process that was killed is taken over.
        what: what is held, for the message.

    Raises:
        InputError: another process holds it.
    """
    if fcntl is None:
        yield
        return
    lock = hidden_beside(path, ".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # the name that the user knows
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_current = os.path.samestat(os.fstat(descriptor), os.stat(lock))
        except (BlockingIOError, FileNotFoundError):
            is_current = False
        if not is_current:  # or it was removed by a process that ended just now
            raise InputError(f"{what}: another process is writing it at this moment; choose another --out")
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def hidden_beside(path: Path, end: str) -> Path:
    """A hidden file beside ``path``, named after it; a name of 255 bytes, the most there are, has its end replaced."""
    name = os.fsencode(path.name)
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME - 40] + hashlib.sha1(name, usedforsecurity=False).hexdigest().encode()
    return path.with_name(f".{os.fsdecode(name)}{end}")
