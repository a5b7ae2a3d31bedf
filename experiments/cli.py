"""The command ``ssr-nas``: finds the command's module, reads its options, and turns every failure into one line.

Exit codes: 0 done, 1 a failure of ours, 2 a mistake in the input (or a full disk), 130 interrupted, 143 terminated
(``launch`` and ``compare`` stop what they have started, as after an interrupt, and end with 130).
"""

import importlib
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from errno import EACCES, EDQUOT, EEXIST, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS

from experiments import __version__
from experiments.commands import COMMANDS, help_line
from experiments.runs.processes import Terminated, rank, termination_handled
from experiments.runs.threads import sleep_while_waiting, stay_within_limit
from nas_space.errors import InputError

PROG = "ssr-nas"
DEBUG = "SSR_NAS_DEBUG"
CONTINUE = "a search or a retraining goes on with --resume and its run folder"
CONTINUE_TRIAL = "it goes on from its last epoch when nnictl resume, or ssr-nas launch --resume, submits it again"
HIDDEN = re.compile(r"(?:(?<=/)|(?<= )|^)\.([^/]+)\.\w{8,32}\.tmp$")  # how files are called until they are whole
LONGEST = 1600  # characters of a message
DISK_FULL = (ENOSPC, EDQUOT)
UNUSABLE = (EACCES, EPERM, EROFS, ENAMETOOLONG, ELOOP, ENOTDIR, EISDIR, ENOENT, EEXIST)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit code.

    Args:
        argv: the arguments, ``sys.argv[1:]`` if absent.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _survive_closed_output()
    sleep_while_waiting()
    stay_within_limit()
    if rank() > 0:
        code = _guarded(arguments[0], arguments[1:])
        sys.stderr.flush()
        os._exit(code)  # no exit handler may wait for the other processes
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if arguments[0] == "--version":
        print(f"{PROG} {__version__}")
        return 0
    pair = " ".join(arguments[:2])
    words = 2 if pair in COMMANDS else 1
    name = " ".join(arguments[:words])
    if name not in COMMANDS:
        near = get_close_matches(pair, COMMANDS, n=1) or get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(COMMANDS)}"
        return _fail(PROG, f"{name}: unknown command; {hint}", 2)
    longer = [other for other in COMMANDS if other.startswith(f"{name} ")]
    if longer and len(arguments) > words and not arguments[words].startswith("-"):
        word = arguments[words]
        near = get_close_matches(word, [other.rpartition(" ")[2] for other in longer], n=1)
        hint = f"did you mean {name} {near[0]}?" if near else f"choose from {', '.join(longer)}, or give --key value"
        return _fail(f"{PROG} {name}", f"{word}: unknown; {hint}", 2)
    with termination_handled():
        return _guarded(name, arguments[words:])


def _guarded(name: str, arguments: Sequence[str]) -> int:
    """Run a command; every failure becomes one line and an exit code."""
    prog = f"{PROG} {name}"
    hint = CONTINUE_TRIAL if name == "trial" else CONTINUE
    try:
        return _run(name, arguments)
    except InputError as error:
        return _fail(prog, str(error), 2, error)
    except BaseException as error:  # also KeyboardInterrupt, and the SystemExit that Lightning makes of it
        causes = list(_causes(error))
        # Lightning's SIGTERMException has no exit code.
        if any(isinstance(cause, Terminated) or type(cause).__name__ == "SIGTERMException" for cause in causes):
            return _tell(f"{prog}: terminated; {hint}", 143)
        for interrupt in (cause for cause in causes if isinstance(cause, KeyboardInterrupt)):
            return _tell(f"{prog}: interrupted; {str(interrupt) or hint}", 130)
        if isinstance(error, SystemExit) and isinstance(error.code, int | None):
            return error.code or 0
        of_system = [cause for cause in causes if isinstance(cause, OSError)]
        for full in (cause for cause in of_system if cause.errno in DISK_FULL):
            where = HIDDEN.sub(r"\1", f" while writing {full.filename}" if full.filename else "")
            return _fail(prog, f"the disk is full{where}; make room, or give an --out on another disk", 2, error)
        for refused in (cause for cause in of_system if cause.errno in UNUSABLE and cause.filename):
            path = HIDDEN.sub(r"\1", str(refused.filename2 or refused.filename))  # the name that the user knows
            return _fail(prog, f"{path}: {refused.strerror}; make it usable, or choose another path", 2, error)
        return _fail(prog, f"{type(error).__name__}: {error} (set {DEBUG}=1 for the traceback)", 1, error)


def _run(name: str, arguments: Sequence[str]) -> int:
    # NNI remarks on classes in torch.nn that are no modules; nobody can act on it.
    warnings.filterwarnings("ignore", message=".*is found to be not a nn.Module", category=RuntimeWarning)
    if rank() > 0:  # one of the further processes of a search, whatever command has started it
        from experiments.search.follower import join_search

        join_search()
        return 0
    from experiments.options.arguments import parse
    from experiments.runs.files import plain

    module = importlib.import_module(COMMANDS[name])
    options, as_json = parse(f"{PROG} {name}", help_line(name), module.Options, arguments)
    result = module.run(options)
    if as_json:
        print(json.dumps(plain(result), allow_nan=False))
    sys.stdout.flush()
    return module.exit_code(result) if hasattr(module, "exit_code") else 0


def _overview() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {help_line(name)}" for name in COMMANDS)
    return (
        f"usage: {PROG} COMMAND [--config FILE.yml] [--key.subkey value ...] [--json]\n\n{commands}\n\n"
        f"{PROG} COMMAND --help lists the keys of a command; {PROG} --version prints the version."
    )


def _fail(prog: str, message: str, code: int, error: BaseException | None = None) -> int:
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


class _Output(io.FileIO):
    """Standard output that raises at most one error, and none if its reader has closed the pipe."""

    failed = False

    def write(self, data) -> int:  # type: ignore[no-untyped-def]  # a buffer of any kind
        if not self.failed:
            try:
                return super().write(data)
            except OSError as error:
                self.failed = True
                if not isinstance(error, BrokenPipeError):
                    raise
        return len(data)


def _survive_closed_output() -> None:
    """Let a command run to its end when its output is piped into ``head``, or holds what cannot be encoded."""
    original = sys.__stdout__
    if original is None:
        sys.stdout = open(os.devnull, "w")
    elif sys.stdout is original:
        raw = _Output(1, "w", closefd=False)
        # The path of a file may be in no encoding: it is printed as on standard error, and is no reason to fail.
        errors = "backslashreplace" if original.errors == "strict" else original.errors
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), original.encoding, errors, line_buffering=True)


if __name__ == "__main__":
    sys.exit(main())
