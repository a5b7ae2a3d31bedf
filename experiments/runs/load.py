"""What else the machine does while something is measured."""

import os
import time
from collections.abc import Callable

import psutil


def own_seconds() -> float:
    """Processor seconds of this process, so far."""
    return float(sum(psutil.Process().cpu_times()[:2]))


class LoadMeter:
    """Measures how many cores others keep busy from its making to ``others``.

    Args:
        measured: processor seconds of the processes that are measured, so far.
    """

    def __init__(self, measured: Callable[[], float] = own_seconds) -> None:
        self.measured = measured
        self.start = time.perf_counter(), _busy(), measured()

    def others(self) -> float:
        """Cores that other processes, the system and a host that takes time away kept busy, on average."""
        wall, busy, measured = self.start
        return max((_busy() - busy) - (self.measured() - measured), 0.0) / (time.perf_counter() - wall)


def _busy() -> float:
    """Processor seconds that the machine has worked, all cores together."""
    times = psutil.cpu_times()._asdict()
    return sum(value for key, value in times.items() if key not in ("idle", "iowait", "guest", "guest_nice"))


def warning(others: float, threads: int) -> str | None:
    """A sentence where too few cores were left for ``threads``; None where all was quiet."""
    cores = os.cpu_count() or 1
    if cores - others >= threads - 0.1:
        return None
    free = "less than 1 core was" if threads == 1 else f"fewer than {threads} were"
    return (
        f"the machine was loaded: others kept {others:.1f} of {cores} cores busy, so {free} free; "
        "times are too long and ratios less certain"
    )
