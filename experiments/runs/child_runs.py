"""Running commands of this toolkit as child processes, a few at a time, each with its share of the cores."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

from tqdm import tqdm

from experiments.runs.processes import free_cores, module_command, terminable


@dataclass(frozen=True)
class ChildRun:
    """The arguments of ``ssr-nas``, and the file that exists exactly when the run is done."""

    arguments: tuple[str, ...]
    proof: Path


@dataclass(frozen=True)
class Failure:
    """The exit code of a run's process, and a line: the run, and the last line of its standard error."""

    code: int
    line: str


def run_children(runs: Sequence[ChildRun], workers: int, title: str) -> list[Failure]:
    """Start the runs that are not done yet, in order, ``workers`` at a time, and return the failures."""
    pending = [run for run in runs if not run.proof.is_file()]
    threads = str(max(1, free_cores() // workers))
    environment = {"OMP_NUM_THREADS": threads, **os.environ}  # what the user has set holds
    children: set[Popen[str]] = set()
    stopping = threading.Event()

    def start(run: ChildRun) -> Failure | None:
        if stopping.is_set():
            return None
        command = module_command("experiments.cli", *run.arguments)
        with Popen(command, env=environment, stdout=DEVNULL, stderr=PIPE, text=True) as child:
            children.add(child)
            _, errors = child.communicate()
            children.discard(child)
        if child.returncode == 0 and run.proof.is_file():
            return None
        lines = errors.strip().splitlines() or [f"ended with code {child.returncode} and no message"]
        return Failure(child.returncode, f"{run.arguments[0]} {run.proof.parent.name}: {lines[-1]}")

    hidden = None if pending else True
    with terminable(), ThreadPoolExecutor(workers) as pool:
        try:
            results = list(tqdm(pool.map(start, pending), title, len(pending), unit="run", disable=hidden))
        except BaseException:  # also an interrupt: no child may go on writing into a folder that somebody continues
            stopping.set()
            for child in list(children):
                child.terminate()
            raise
    return [failure for failure in results if failure is not None]
