"""Runs a list of commands on one device, many at once, for a limited time; the same call goes on where the last ended.

    python -m experiments.examples.gpu_jobs experiments/configs/gpu/jobs.yml --data CAMVID --runs runs/gpu --seconds 560

Each job is a command of ssr-nas with a folder of its own in ``--runs``. It is done when its proof lies there. A job
that was cut off is continued by ``--resume``, or begun anew where its command has none. A job waits for those it needs.
``--rehearse`` runs all of them in small, on any machine. At the end a line is printed for each job, and the files that
matter are copied to ``--out``.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nas_space.errors import InputError

PROOFS = {"search": "search.json", "retrain": "retrain.json", "benchmark": "benchmark.png"}
KEPT = ("architecture.json", "search.json", "retrain.json", "benchmark.png", "metrics.csv")
KEYS = ("run", "alone", "weights", "rehearsal")
GRACE = 15.0  # seconds that a job has to write its last checkpoint


@dataclass
class Job:
    """One command.

    Args:
        name: of its folder.
        command: its words, with ``{name}`` for the folder of another job.
        needs: jobs that must be done before.
        alone: no other job runs beside it.
        weights: what it has trained comes back too.
        rehearsal: what a rehearsal adds to its own command, after what it adds to all of that kind.
    """

    name: str
    command: list[str]
    needs: list[str]
    alone: bool = False
    weights: bool = False
    rehearsal: str = ""
    process: subprocess.Popen[bytes] | None = None
    failed: bool = False

    def done(self, runs: Path) -> bool:
        """Whether its proof is there."""
        return (runs / self.name / PROOFS[self.command[0]]).is_file()

    def ready(self, runs: Path, jobs: dict[str, "Job"]) -> bool:
        """Whether it can start now."""
        idle = self.process is None and not self.failed and not self.done(runs)
        return idle and all(jobs[name].done(runs) for name in self.needs)

    def start(self, runs: Path, more: list[str]) -> None:
        """Start it, or go on with it."""
        folder = runs / self.name
        command = [*self.command, *more]
        if (folder / "config.yml").is_file():
            command = [self.command[0], "--resume", str(folder)]
        elif self.command[0] == "benchmark":
            folder.mkdir(parents=True, exist_ok=True)
            command += ["--out", str(folder / PROOFS["benchmark"])]
        else:
            command += ["--out", str(folder)]
        with (runs / f"{self.name}.log").open("ab") as log:
            line = [sys.executable, "-m", "experiments.cli", *command]
            self.process = subprocess.Popen(line, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})


def read_jobs(file: Path, data: str, runs: Path, device: str) -> tuple[dict[str, Job], dict[str, Any]]:
    """The jobs of a file, by name, and what a rehearsal adds to each command.

    Raises:
        InputError: a job has a key that is none, or no ``run``.
    """
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    folders = {name: str(runs / name) for name in content["jobs"]}
    jobs = {}
    for name, job in content["jobs"].items():
        unknown = [key for key in job if key not in KEYS]
        if unknown or "run" not in job:
            what = f"has the key {unknown[0]!r}" if unknown else "has no run"
            raise InputError(f"{file}: {name} {what}; the keys of a job are {', '.join(KEYS)}")
        words = [word.format(data=data, device=device, **folders) for word in shlex.split(job["run"])]
        needs = [other for other in folders if f"{{{other}}}" in job["run"]]
        more = {key: job[key] for key in KEYS if key in job and key != "run"}
        jobs[name] = Job(name, words, needs, **more)
    return jobs, content["rehearsal"]


def run(jobs: dict[str, Job], runs: Path, workers: int, seconds: float, more: dict[str, str]) -> None:
    """Run what is missing until all is done, or the time is over."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            _collect_ended(jobs, runs)
            busy = [job for job in jobs.values() if job.process is not None]
            ready = [job for job in jobs.values() if job.ready(runs, jobs)]
            for job in _next(busy, ready, workers):
                small = f"{more[job.command[0]]} {job.rehearsal}" if more else ""
                job.start(runs, shlex.split(small))
            if not busy and not ready:
                return
            time.sleep(0.5)
    finally:
        _collect_ended(jobs, runs)
        running = [job.process for job in jobs.values() if job.process is not None]
        for process in running:
            process.terminate()
        limit = time.monotonic() + GRACE
        for process in running:
            try:
                process.wait(max(limit - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()


def _collect_ended(jobs: dict[str, Job], runs: Path) -> None:
    """Let go of the processes that have ended; a job without its proof has failed."""
    for job in jobs.values():
        if job.process is not None and job.process.poll() is not None:
            job.failed, job.process = not job.done(runs), None


def _next(busy: list[Job], ready: list[Job], workers: int) -> list[Job]:
    """What starts now, in order: a job that runs alone waits until nothing runs, and what comes later waits for it."""
    if any(job.alone for job in busy):
        return []
    chosen: list[Job] = []
    for job in ready:
        if job.alone:
            return chosen or ([] if busy else [job])
        if len(busy) + len(chosen) < workers:
            chosen.append(job)
    return chosen


def collect(jobs: dict[str, Job], runs: Path, out: Path) -> None:
    """Copy the small files of every job into one archive in ``out``."""
    packed = runs / "packed"
    shutil.rmtree(packed, ignore_errors=True)
    packed.mkdir(parents=True)
    for name in jobs:
        for file in [*(runs / name / kept for kept in KEPT), runs / f"{name}.log"]:
            if file.is_file():
                (packed / name).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, packed / name)
    out.mkdir(parents=True, exist_ok=True)
    shutil.make_archive(str(out / "runs"), "gztar", packed)
    for name, job in jobs.items():
        weights = runs / name / "model.safetensors"
        if job.weights and job.done(runs) and weights.is_file():
            shutil.copy(weights, out / f"{name}.safetensors")


def main() -> int:
    """Read the options, run, collect, and print a line for each job."""
    parser = argparse.ArgumentParser(description="Run jobs on one device, many at once, for a limited time.")
    parser.add_argument("jobs", type=Path)
    parser.add_argument("--data", required=True, help="the folder of CamVid")
    parser.add_argument("--runs", type=Path, default=Path("runs/gpu"), help="where the jobs' folders lie")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-out"), help="where the files that matter are copied")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=12, help="jobs at once")
    parser.add_argument("--seconds", type=float, default=560.0, help="after which everything stops")
    parser.add_argument("--rehearse", action="store_true", help="run every job in small")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    try:
        jobs, rehearsal = read_jobs(options.jobs, options.data, options.runs, options.device)
    except InputError as error:
        print(f"gpu_jobs: error: {error}", file=sys.stderr)
        return 2
    run(jobs, options.runs, options.workers, options.seconds, rehearsal if options.rehearse else {})
    collect(jobs, options.runs, options.out)
    for name, job in jobs.items():
        begun = (options.runs / f"{name}.log").is_file()
        state = "done" if job.done(options.runs) else "FAILED" if job.failed else "begun" if begun else "waits"
        print(f"{state:<7} {name}")
    return 1 if any(job.failed for job in jobs.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
