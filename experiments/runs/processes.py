"""The processes of a run: how a module is started as one, and how those of one search know each other."""

import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ROOT = str(Path(__file__).parents[2])  # where this toolkit lies
RUN, CHECKPOINT, LEADER = "SSR_NAS_RUN", "SSR_NAS_CHECKPOINT", "SSR_NAS_LEADER"
"""Set for followers: the run's folder, the checkpoint to go on from or nothing, and the first process's id."""
HANGUP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
MOMENT = 0.02  # seconds until a signal that came within an import is looked at again
LONGEST_IMPORT = 20.0  # seconds after which an import is interrupted all the same
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


class Terminated(KeyboardInterrupt):
    """SIGTERM has come: whoever cleans up after Ctrl+C cleans up after it too."""


def interrupts_in(error: BaseException | None) -> list[BaseException]:
    """The interrupts and terminations among ``error`` and what it was raised from or during, the last first."""
    found = []
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or is_termination(error):
            found.append(error)
        error = error.__cause__ or error.__context__
    return found


def is_termination(error: BaseException) -> bool:
    """Whether it tells of SIGTERM: ours, or Lightning's, which is a ``SystemExit`` without an exit code."""
    return isinstance(error, Terminated) or type(error).__name__ == "SIGTERMException"


@contextmanager
def termination_handled() -> Iterator[None]:
    """SIGTERM inside raises ``Terminated``; Ctrl+C and a closed terminal (SIGHUP) raise ``KeyboardInterrupt``.

    None of them is raised within an import: it waits for its end, since what is imported may swallow it, or abort.
    What the caller ignores stays ignored, as SIGHUP under ``nohup``. Lightning's trainer calls the handler of SIGTERM
    that it finds beside its own: it ends by itself after the step, and nothing is raised here.
    """

    def terminate(signum: int, frame: object) -> None:
        if os.getpid() != owner:  # a forked worker, which its own parent ends
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        elif signal.getsignal(signum) is terminate and not later(signum, frame):
            raise Terminated

    def interrupt(signum: int, frame: object) -> None:
        if signum != signal.SIGINT and os.getpid() != owner:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        elif not later(signum, frame):
            raise KeyboardInterrupt

    owner, later = os.getpid(), _Later()
    with (
        _handled((signal.SIGTERM,), terminate, signal.SIG_IGN),
        _handled((signal.SIGINT, *HANGUP), interrupt, signal.SIG_IGN),
    ):
        yield


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM or a closed terminal (SIGHUP) inside is an interrupt, as Ctrl+C is. ``nohup`` keeps its meaning."""

    def terminate(signum: int, frame: object) -> None:
        if not later(signum, frame):
            raise KeyboardInterrupt

    later = _Later()
    with _handled((signal.SIGTERM,), terminate), _handled(HANGUP, terminate, signal.SIG_IGN):
        yield


class _Later:
    """Sends a signal once more after a moment, while an import is running."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._timer: threading.Timer | None = None

    def __call__(self, signum: int, frame: object) -> bool:
        """Whether the signal comes again, so that its handler has nothing to do now."""
        self._first = time.monotonic() if self._first is None else self._first
        is_over = time.monotonic() - self._first > LONGEST_IMPORT
        if is_over or not _is_importing(frame) or not hasattr(signal, "pthread_kill"):  # Windows has none
            return False
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(MOMENT, signal.pthread_kill, (threading.main_thread().ident, signum))
            self._timer.daemon = True
            self._timer.start()
        return True


def _is_importing(frame: object) -> bool:
    while isinstance(frame, FrameType):
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def _handled(signals: Sequence[int], handler: Callable[[int, object], None], unless: object = None) -> Iterator[None]:
    """These signals inside call ``handler``, except those whose handler is ``unless``.

    Python lets only the main thread change that. A handler that no Python code has set cannot be put back, and stays.
    """
    if threading.current_thread() is not threading.main_thread():
        signals = ()
    found = {number: signal.getsignal(number) for number in signals}
    before = {number: old for number, old in found.items() if old is not None and old != unless}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def rank() -> int:
    """Number of this process among those of its search; the first is 0."""
    return int(os.environ["LOCAL_RANK"]) if RUN in os.environ else 0


def program() -> str:
    """The command that starts this program: its path where its virtual environment is not activated."""
    started = Path(sys.argv[0])
    return shlex.quote(str(started)) if started.name == "ssr-nas" and shutil.which("ssr-nas") is None else "ssr-nas"
