"""Time and memory of this process, as every measurement counts them."""

import time


def now(device: str) -> float:
    """The clock in seconds, read when the GPU has done all that it was given.

    Args:
        device: ``cpu`` or ``cuda``.
    """
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()


def peak_memory_mib(device: str) -> float:
    """Most memory that this process has held so far, in MiB: allocated by torch on the GPU, or resident.

    ``getrusage`` also counts what the parent held when it started this process: it serves where ``/proc`` is missing.

    Args:
        device: ``cpu`` or ``cuda``.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
