"""How a failure of a command is told: one line on standard error, and an exit code."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import EACCES, EDQUOT, EEXIST, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS

from experiments.runs.processes import interrupts_in, is_termination
from nas_space.errors import InputError

DEBUG = "SSR_NAS_DEBUG"
HIDDEN = re.compile(r"(?:(?<=/)|(?<= )|^)\.([^/]+)\.\w{8,32}\.tmp$")  # how files are called until they are whole
HIDDEN_FOLDER = re.compile(r"(?:(?<=/)|(?<= )|^)\.[^/]+\.\w{8}\.tmp/")  # in which an export is tried
LONGEST = 1600  # characters of a message
DISK_FULL = (ENOSPC, EDQUOT)
UNUSABLE = (EACCES, EPERM, EROFS, ENAMETOOLONG, ELOOP, ENOTDIR, EISDIR, ENOENT, EEXIST)


def guarded(prog: str, hint: str, run: Callable[[], int]) -> int:
    """Run a command; every failure becomes one line.

    Args:
        prog: the program and its command.
        hint: what to do after an interrupt that does not say it.
        run: the command; returns its exit code.

    Returns:
        The exit code: that of ``run``, or 1 a failure of ours, 2 a mistake in the input or a full disk,
        130 interrupted, 143 terminated.
    """
    try:
        return run()
    except InputError as error:
        return fail(prog, str(error), 2, error)
    except BaseException as error:  # also KeyboardInterrupt, and the SystemExit that Lightning makes of it
        causes, interrupts = list(_causes(error)), interrupts_in(error)
        hint = next(filter(None, map(str, interrupts)), hint)
        if any(map(is_termination, interrupts)):
            return _tell(f"{prog}: terminated; {hint}", 143)
        if interrupts:
            return _tell(f"{prog}: interrupted; {hint}", 130)
        if isinstance(error, SystemExit) and isinstance(error.code, int | None):
            return error.code or 0
        of_system = [cause for cause in causes if isinstance(cause, OSError)]
        for full in (cause for cause in of_system if cause.errno in DISK_FULL):
            where = _known(f" while writing {full.filename}" if full.filename else "")
            return fail(prog, f"the disk is full{where}; make room, or give an --out on another disk", 2, error)
        for refused in (cause for cause in of_system if cause.errno in UNUSABLE and cause.filename):
            path = _known(str(refused.filename2 or refused.filename))
            return fail(prog, f"{path}: {refused.strerror}; make it usable, or choose another path", 2, error)
        return fail(prog, f"{type(error).__name__}: {error} (set {DEBUG}=1 for the traceback)", 1, error)


def _known(text: str) -> str:
    """``text`` with the name of a file that the user knows, where it has one that it had until it was whole."""
    return HIDDEN.sub(r"\1", HIDDEN_FOLDER.sub("", text))


def fail(prog: str, message: str, code: int, error: BaseException | None = None) -> int:
    """Print a message in one line, with the traceback of ``error`` where ``DEBUG`` is set, and return ``code``."""
    if error is not None and os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(error)
    return _tell(f"{prog}: error: {_one_line(message)}", code)


def _tell(line: str, code: int) -> int:
    with suppress(OSError):  # the terminal may be closed
        print(line, file=sys.stderr, flush=True)
    return code


def _one_line(message: str) -> str:
    """``message`` in one line, the middle left out where somebody's value made it longer than a screen."""
    line = " ".join(message.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} [...] {line[-LONGEST // 2 :]}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """``error``, and what it was raised from or during."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
