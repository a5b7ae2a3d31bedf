"""Peak memory of this process alone."""

from experiments.runs.environment import peak_memory_mb

STATUS = "/proc/self/status"


def peak_mib(device: str) -> float:
    """Most memory this process has held so far: allocated on the GPU, or resident on the CPU, in MiB.

    Where the system says so, without what the parent held when it started this process: ``getrusage`` inherits that.
    """
    if device != "cuda":
        try:
            with open(STATUS, encoding="ascii") as status:
                return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
        except (OSError, StopIteration):
            pass
    return peak_memory_mb(device)
