"""One interleaved measurement of several networks, each exported, opened and timed as a user would have it."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from experiments.benchmark.networks.files import check_file, count_batch_norms, size_mb, write_file
from experiments.benchmark.networks.networks import Network
from experiments.benchmark.networks.statistics import Seconds
from experiments.benchmark.networks.workers import Task, Worker, take_turns
from experiments.export.timed_file import FILE_ENGINES
from experiments.runs.load import LoadMeter
from experiments.runs.processes import free_cores
from experiments.runs.threads import check_threads
from experiments.runtime.engines import check_engine
from experiments.runtime.interface import PLAIN, Interface
from nas_space.errors import InputError


@dataclass(frozen=True)
class Setup:
    """How networks are measured.

    Args:
        engine: what runs them, one of ``experiments.runtime.engines.PACKAGES``.
        threads: threads of the engine, on the processor.
        device: ``cpu`` or ``cuda``.
        rounds: how often all networks take their turn.
        calls: timed calls of a turn.
        warmup: untimed calls of each network before the first round.

    Raises:
        InputError: a value without meaning, or an engine or device that is not there.
    """

    engine: str
    threads: int
    device: str
    rounds: int
    calls: int
    warmup: int

    def __post_init__(self) -> None:
        check_engine(self.engine)
        for key in ("threads", "rounds", "calls", "warmup"):
            if getattr(self, key) < 1:
                raise InputError(f"{key}: {getattr(self, key)} must be at least 1")
        if self.device == "cpu" and self.engine in ("torch", "compile"):
            check_threads(self.threads)
        if self.device not in ("cpu", "cuda"):
            raise InputError(f"device: unknown {self.device!r}; choose from cpu, cuda")
        if self.device == "cuda" and self.engine in FILE_ENGINES:
            raise InputError(f"device: {self.engine} is measured on the processor; choose torch or compile for a GPU")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("device: cuda is not available; choose cpu")


def make_setup(engine: str, threads: int | None, device: str, rounds: int, calls: int, warmup: int) -> Setup:
    """A ``Setup``; where ``threads`` is None, with all cores that this process may use. Errors as of ``Setup``."""
    return Setup(engine, free_cores() if threads is None else threads, device, rounds, calls, warmup)


@dataclass(frozen=True)
class Entry:
    """A network in one precision, ``fp32`` or ``int8``."""

    network: Network
    precision: str


@dataclass(frozen=True)
class NetworkTiming:
    """What was measured of an entry.

    Args:
        entry: the entry.
        seconds: of each call, ``(rounds, calls)``.
        output: shape of what the network returns.
        file: the file that was run, by name.
        file_mb: its size, in MiB.
        batch_norms: batch norms that it leaves to the engine; None where the format does not tell.
        load_s: seconds to open it.
        peak_memory_mb: most memory of the process that ran it, in MiB (on a GPU: allocated by torch there).
        idle_memory_mb: its memory before the file was opened: Python and the engine.
    """

    entry: Entry
    seconds: Seconds
    output: tuple[int, ...]
    file: str
    file_mb: float
    batch_norms: int | None
    load_s: float
    peak_memory_mb: float
    idle_memory_mb: float


def measure(
    entries: Sequence[Entry],
    size: tuple[int, int],
    setup: Setup,
    progress: Callable[[str], object] = lambda _: None,
    interface: Interface = PLAIN,
) -> tuple[list[NetworkTiming], float]:
    """Export all networks, open each in a process of its own, warm up, and time them in turns.

    Args:
        entries: the networks.
        size: height and width of the images.
        setup: how they are measured.
        progress: told what is going on, in a few words.
        interface: what lies inside the exported files of our networks besides them.

    Returns:
        What was measured of each, and how many cores others kept busy meanwhile.

    Raises:
        InputError: a network that the engine cannot run.
    """
    for entry in entries:
        check_file(entry.network, setup.engine, entry.precision, size)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ssr-nas-")))
        files, workers = [], []
        for number, entry in enumerate(entries):
            progress(f"exporting {entry.network.name}")
            place = folder / str(number)
            place.mkdir()
            files.append(write_file(entry.network, setup.engine, entry.precision, size, place, interface=interface))
        for entry, file in zip(entries, files, strict=True):
            progress(f"opening {entry.network.name}")
            how = (setup.threads, setup.device, setup.warmup)
            shape = interface.shape(size)
            task = Task(entry.network.name, setup.engine, str(file), shape, *how, pixels=interface.pixels)
            workers.append(stack.enter_context(Worker(task)))
        processes = [psutil.Process(), *(psutil.Process(worker.process.pid) for worker in workers)]
        meter = LoadMeter(lambda: sum(sum(process.cpu_times()[:2]) for process in processes))
        rounds = setup.rounds
        seconds = take_turns(workers, rounds, setup.calls, lambda turn: progress(f"round {turn} of {rounds}"))
        others = meter.others()
        return [
            NetworkTiming(
                entry=entry,
                seconds=times,
                output=tuple(worker.opened["output"]),
                file=file.name,
                file_mb=size_mb(file),
                batch_norms=count_batch_norms(file),
                load_s=worker.opened["load_s"],
                peak_memory_mb=worker.last["peak_memory_mb"],
                idle_memory_mb=worker.opened["idle_memory_mb"],
            )
            for entry, times, file, worker in zip(entries, seconds, files, workers, strict=True)
        ], others
