"""Lines about a data set on standard error, by the first process of a run alone."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from experiments.runs.processes import rank

_told: ContextVar[set[str] | None] = ContextVar("_told", default=None)


@contextmanager
def told_once() -> Iterator[None]:
    """Inside, every line is told one time: for a run that reads the same data again and again."""
    token = _told.set(set())
    try:
        yield
    finally:
        _told.reset(token)


def tell(lines: Iterable[str]) -> None:
    """Print each line, but for those that ``told_once`` has seen."""
    if rank() != 0:
        return
    seen = _told.get()
    for line in lines:
        if seen is not None:
            if line in seen:
                continue
            seen.add(line)
        print(line, file=sys.stderr, flush=True)
