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
class Job:
    """The arguments of ``ssr-nas``, and the file that exists exactly when the job is done."""

    arguments: tuple[str, ...]
    proof: Path


@dataclass(frozen=True)
class Failure:
    """The exit code of a job's process, and a line: the job, and the last line of its standard error."""

    code: int
    line: str


def run_jobs(jobs: Sequence[Job], workers: int, title: str) -> list[Failure]:
    """Run the jobs that are not done yet, in order, ``workers`` at a time, and return the failures."""
    pending = [job for job in jobs if not job.proof.is_file()]
    threads = str(max(1, free_cores() // workers))
    environment = {"OMP_NUM_THREADS": threads, **os.environ}  # what the user has set holds
    children: set[Popen[str]] = set()
    stopping = threading.Event()

    def run(job: Job) -> Failure | None:
        if stopping.is_set():
            return None
        command = module_command("experiments.cli", *job.arguments)
        with Popen(command, env=environment, stdout=DEVNULL, stderr=PIPE, text=True) as child:
            children.add(child)
            _, errors = child.communicate()
            children.discard(child)
        if child.returncode == 0 and job.proof.is_file():
            return None
        lines = errors.strip().splitlines() or [f"ended with code {child.returncode} and no message"]
        return Failure(child.returncode, f"{job.arguments[0]} {job.proof.parent.name}: {lines[-1]}")

    hidden = None if pending else True
    with terminable(), ThreadPoolExecutor(workers) as pool:
        try:
            results = list(tqdm(pool.map(run, pending), title, len(pending), unit="run", disable=hidden))
        except BaseException:  # also an interrupt: no child may go on writing into a folder that somebody continues
            stopping.set()
            for child in list(children):
                child.terminate()
            raise
    return [failure for failure in results if failure is not None]
