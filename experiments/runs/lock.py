"""One process at a time in a run's folder, or at a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas_space.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: two processes in one folder are the user's to avoid
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


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
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held(lock: Path, what: str) -> Iterator[None]:
    """Hold a name by a lock file, which is removed at the end; of several processes one holds it.

    Args:
        lock: the file, made here; that of a process that was killed is taken over.
        what: what is held, for the message.

    Raises:
        InputError: another process holds it.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
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
