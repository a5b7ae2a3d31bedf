"""A run that can be continued: whoever interrupts it is told by which command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from experiments.runs.processes import interrupts_in, program

RESUMABLE = ("fit", "search", "retrain")
"""Commands whose runs go on by ``--resume`` alone. Other ones go on by the same command, too."""


@contextmanager
def resumable(command: str, folder: Path) -> Iterator[None]:
    """Give an interrupt or a termination inside the command that goes on as its text, where it has none.

    Args:
        command: what the run is of, such as ``search``.
        folder: of the run.
    """
    try:
        yield
    except BaseException as error:  # Lightning makes a SystemExit of an interrupt
        for interrupt in interrupts_in(error):
            if not str(interrupt):
                interrupt.args = (f"go on with: {program()} {command} --resume {quote(str(folder))}",)
        raise
