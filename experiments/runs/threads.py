"""How many threads torch computes with: all cores, or fewer where another process keeps one busy.

The threads of one operation wait for each other. Where one of them shares its core, all wait for it, and fewer threads
are faster. So a small piece of work is timed with one thread, some and all: at the start, and now and then between two
steps. It touches neither the random state nor the network: a result depends on the chosen number alone.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from experiments.runs.processes import free_cores
from nas_space.errors import InputError

PERIOD = 10.0  # seconds between two measurements
REPEATS = 6  # of the piece of work, for each number of threads
MARGIN = 0.9  # another number of threads is taken where it needs at most this share of the time
MOST_THREADS = 1024
SPIN = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""Variables of the environment that say how long a waiting thread keeps its core."""
LIMIT, NUMBER = "OMP_THREAD_LIMIT", "OMP_NUM_THREADS"
"""Variables of OpenMP: the most threads of the process, and those of an operation."""
SPIN_COUNT = "10000"  # turns of a waiting loop; libgomp's own number is 300,000
BLAS_SPIN = "OPENBLAS_THREAD_TIMEOUT"
"""The same for the threads of NumPy's matrix algebra: clock cycles, as a power of two."""
BLAS_SPIN_COUNT = "4"  # the least; OpenBLAS' own number is 26 or more


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that makes no sense, or that would never start.

    Raises:
        InputError: it is below 1, above 1024, or above ``OMP_THREAD_LIMIT``.
    """
    if threads is None:
        return
    if not 1 <= threads <= MOST_THREADS:
        raise InputError(f"threads: {threads} must be from 1 to {MOST_THREADS}")
    limit = _positive(os.environ.get(LIMIT))
    if limit is not None and threads > limit:
        raise InputError(f"threads: {threads} is more than {LIMIT}={limit} allows; choose at most {limit}, or unset it")


def stay_within_limit(environment: "os._Environ[str] | dict[str, str]" = os.environ) -> None:
    """Let torch take no more threads than ``OMP_THREAD_LIMIT``; to be called before torch is loaded.

    With libgomp an operation waits for ever for threads that the limit forbids.
    """
    limit = _positive(environment.get(LIMIT))
    if limit is None:
        return
    wanted = _positive(environment.get(NUMBER, "").partition(",")[0]) or free_cores()
    if wanted > limit:
        environment[NUMBER] = str(limit)


def _positive(text: str | None) -> int | None:
    """A whole number above 0; None where ``text`` is none, which OpenMP does not heed."""
    number = (text or "").strip()
    return int(number) if number.isascii() and number.isdigit() and int(number) > 0 else None


def sleep_while_waiting(environment: "os._Environ[str] | dict[str, str]" = os.environ) -> None:
    """Let threads sleep soon while they wait for each other; to be called before NumPy and torch are loaded.

    By default those of OpenMP and of OpenBLAS keep their core for long, which another process or thread needs. What is
    set already holds.
    """
    if not any(name in environment for name in SPIN):
        environment[SPIN[0]] = SPIN_COUNT
    environment.setdefault(BLAS_SPIN, BLAS_SPIN_COUNT)


def choose(seconds: Mapping[int, float], current: int) -> int:
    """The number of threads to go on with.

    Args:
        seconds: number of threads -> time of the same piece of work.
        current: the number in use; it stays where no other one is clearly faster.
    """
    fastest = min(seconds, key=lambda threads: seconds[threads])
    return fastest if seconds[fastest] <= MARGIN * seconds[current] else current


def candidates(cores: int) -> list[int]:
    """The numbers of threads to choose from, all first: one, half of them, all but one, and all."""
    return sorted({cores, cores - 1, cores // 2, 1} - {0}, reverse=True)


@dataclass(eq=False)
class Threads:
    """The number of threads in use, and when it is measured again.

    Args:
        choices: numbers to choose from; with one alone nothing is measured.
        measure: a number of threads -> seconds of the piece of work with it.
        clock: of this machine, in seconds.
        on_change: called with every new number.
    """

    choices: Sequence[int]
    measure: Callable[[int], float]
    clock: Callable[[], float] = time.monotonic
    on_change: Callable[[int], None] = lambda threads: None
    current: int = field(init=False)
    _next: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.current = self.choices[0]

    def refresh(self) -> None:
        """Measure if it is time to; to be called between two steps."""
        import torch

        if len(self.choices) > 1 and self.clock() >= self._next:
            before, self.current = self.current, choose({n: self.measure(n) for n in self.choices}, self.current)
            torch.set_num_threads(self.current)
            self._next = self.clock() + PERIOD
            if self.current != before:
                self.on_change(self.current)


def time_work(threads: int) -> float:
    """Seconds of a small convolution and its gradients, some times over, with so many threads."""
    import torch

    torch.set_num_threads(threads)
    with torch.inference_mode(False), torch.enable_grad():
        images = torch.ones(4, 16, 64, 64).contiguous(memory_format=torch.channels_last)
        kernel = torch.full((16, 16, 3, 3), 0.01, requires_grad=True)
        start = 0.0
        for turn in range(REPEATS + 1):
            if turn == 1:  # the first one only wakes the threads
                start = time.perf_counter()
            torch.nn.functional.conv2d(images, kernel, padding=1).relu().sum().backward()
    return time.perf_counter() - start


@contextmanager
def computing(threads: int | None, measured: bool = True, quiet: bool = False) -> Iterator[Threads]:
    """Compute with so many threads inside, and tell how many. With None, as many as are fastest.

    Args:
        threads: of torch; None leaves the choice to measurements, unless ``OMP_NUM_THREADS`` is set.
        measured: False where nothing is to be chosen: on a GPU, or where several processes share the cores.
        quiet: tell only when the number changes.
    """
    import torch
    from tqdm import tqdm

    def tell(number: int) -> None:
        tqdm.write(f"threads     {number} of {before}{', the fastest' if len(choices) > 1 else ''}", file=sys.stderr)

    before = torch.get_num_threads()
    free = threads is None and measured and "OMP_NUM_THREADS" not in os.environ
    choices = candidates(before) if free else [threads or before]
    try:
        if threads is not None:
            torch.set_num_threads(threads)
        chosen = Threads(choices, time_work)
        chosen.refresh()
        if not quiet and (threads is not None or before > 1):
            tell(chosen.current)
        chosen.on_change = tell
        yield chosen
    finally:
        torch.set_num_threads(before)
