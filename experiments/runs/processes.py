"""The processes of a run: how a module is started as one, and how those of one search know each other."""

import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = str(Path(__file__).parents[2])  # where this toolkit lies
RUN, CHECKPOINT, LEADER = "SSR_NAS_RUN", "SSR_NAS_CHECKPOINT", "SSR_NAS_LEADER"
"""Set for followers: the run's folder, the checkpoint to go on from or nothing, and the first process's id."""
POLL = 0.5  # seconds between two looks at another process

# As ``python -m``, but a folder ``experiments`` in the current one does not count (Python 3.11 has ``-P`` for that).
START = """\
import sys
root, module = sys.argv[1:3]
del sys.argv[1:3]
if sys.path[:1] == [""]:
    del sys.path[0]
if root not in sys.path:
    sys.path.insert(0, root)
import runpy
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs ``module`` of this very toolkit with ``arguments``, in any folder."""
    return [sys.executable, "-c", START, ROOT, module, *arguments]


def free_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM inside is an interrupt, as Ctrl+C is; Python lets only the main thread change that."""

    def terminate(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, terminate) if is_main else None
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def rank() -> int:
    """Number of this process among those of its search; the first is 0."""
    return int(os.environ["LOCAL_RANK"]) if RUN in os.environ else 0


def program() -> str:
    """The command that starts this program: its path where its virtual environment is not activated."""
    started = Path(sys.argv[0])
    return shlex.quote(str(started)) if started.name == "ssr-nas" and shutil.which("ssr-nas") is None else "ssr-nas"
