"""Results before decoration: a figure, a report or a log that fails is told in one line and costs nothing else."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def decoration(what: str) -> Iterator[None]:
    """Do something that no result depends on; the results are written before.

    Every error inside ends here: it is printed in one line, and the caller goes on. An interrupt goes through.

    Args:
        what: the file or the picture, for the message.
    """
    try:
        yield
    except Exception as error:  # whatever a drawing library or a disk raises
        tell_loss(what, error)


def tell_loss(what: str, error: Exception) -> None:
    """Print one line: what is missing, and why."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    line = f"warning: {what} could not be written ({reason}); the results are not affected"
    print(line.encode("utf-8", "backslashreplace").decode(), file=sys.stderr, flush=True)
