"""What else the machine does while something is measured."""

import os
import time
from collections.abc import Callable

import psutil


def free_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LoadMeter:
    """Measures how many cores others keep busy from its making to ``others``.

    Args:
        own: processor seconds of the measurement's own processes, so far.
    """

    def __init__(self, own: Callable[[], float]) -> None:
        self.own = own
        self.start = time.perf_counter(), _busy(), own()

    def others(self) -> float:
        """Cores that other processes, the system and a host that takes time away kept busy, on average."""
        wall, busy, own = self.start
        return max((_busy() - busy) - (self.own() - own), 0.0) / (time.perf_counter() - wall)


def _busy() -> float:
    """Processor seconds that the machine has worked, all cores together."""
    times = psutil.cpu_times()
    return (
        sum(times)
        - times.idle
        - getattr(times, "iowait", 0.0)
        - getattr(times, "guest", 0.0)
        - getattr(times, "guest_nice", 0.0)
    )


def warning(others: float, threads: int) -> str | None:
    """A sentence for people where too few cores were left for ``threads``; None where all was quiet."""
    cores = os.cpu_count() or 1
    if cores - others >= threads - 0.1:
        return None
    return (
        f"the machine was loaded: others kept {others:.1f} of {cores} cores busy, so fewer than {threads} were free; "
        "times are too long and ratios less certain"
    )
