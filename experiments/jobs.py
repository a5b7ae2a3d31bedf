"""Running commands of this toolkit as child processes, a few at a time, each with its share of the cores."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm


@dataclass(frozen=True)
class Job:
    """One command line of ``ssr-nas`` and the file that proves its completion.

    Args:
        arguments: command and options.
        proof: exists exactly when the job is done; a job that is done is not run again.
    """

    arguments: tuple[str, ...]
    proof: Path


def run_jobs(jobs: Sequence[Job], workers: int, title: str) -> list[str]:
    """Run the jobs that are not done yet, in order, ``workers`` at a time.

    Returns:
        The error line of every job that failed.
    """
    pending = [job for job in jobs if not job.proof.is_file()]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(1, cores // workers))
    environment = {**os.environ, "OMP_NUM_THREADS": threads}

    def run(job: Job) -> str | None:
        command = [sys.executable, "-m", "experiments.cli", *job.arguments]
        child = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if child.returncode == 0 and job.proof.is_file():
            return None
        lines = child.stderr.strip().splitlines() or ["no message"]
        return f"{' '.join(job.arguments[:1])} {job.proof.parent.name}: {lines[-1]}"

    with ThreadPoolExecutor(workers) as pool:
        results = list(tqdm(pool.map(run, pending), total=len(pending), desc=title, unit="run", disable=not pending))
    return [error for error in results if error is not None]
