"""Trainings in parallel processes, each of which does several."""

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

from experiments.landscape.plan import Planned
from experiments.landscape.setup import TrainingSetup
from experiments.landscape.table import Trained
from experiments.runs.processes import module_command, terminable

WORKER = "experiments.landscape.worker"


class WorkerEnded(RuntimeError):
    """A process has ended in the middle of a training, as one does that the system kills for its memory."""


class Worker:
    """A process that trains one network after another.

    Args:
        setup: what all of its trainings share.
        threads: of torch.
    """

    def __init__(self, setup: TrainingSetup, threads: int) -> None:
        self.is_ready = False
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            module_command(WORKER, setup.to_json()),
            stdin=pipe,
            stdout=pipe,
            stderr=self.errors,
            text=True,
            env=environment,
        )

    def train(self, planned: Planned) -> dict[str, Any]:
        """The worker's answer: ``miou``, ``macs``, ``params``, ``minutes``; or ``error``.

        Raises:
            WorkerEnded: the process has ended; the message is the last that it said.
            RuntimeError: it has ended before it could train anything.
        """
        if not self.is_ready:
            try:
                self.is_ready = bool(self._answer())
            except WorkerEnded as error:
                raise RuntimeError(f"a training process ended at its start: {error}") from None
        assert self.process.stdin is not None
        job = {"architecture": planned.architecture.to_json(), "seed": planned.seed}
        with suppress(BrokenPipeError):  # it has ended; what it said last is the error
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            lines = self.errors.read().strip().splitlines()
            raise WorkerEnded(lines[-1] if code > 0 and lines else f"its process ended with code {code}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """End the process; a thread that waits for its answer gets ``WorkerEnded``."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End the process and close its streams, which no other thread may still read."""
        self.end()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]  # both are pipes


def train_all(
    trainings: Sequence[Planned],
    setup: TrainingSetup,
    processes: int,
    threads: int,
    on_end: Callable[[Planned, Trained | str], None],
) -> None:
    """Train in the order of ``trainings``, ``processes`` at a time.

    All processes end with this function, and by themselves when this process is killed.

    Args:
        trainings: what is to be trained.
        setup: what all of them share.
        processes: trainings at a time.
        threads: of torch in each process.
        on_end: called after each training, one call at a time, with its row, or with what went wrong.
    """
    queue: Iterator[Planned] = iter(trainings)
    lock = threading.Lock()
    workers: list[Worker] = []
    stopping = threading.Event()

    def start() -> Worker | None:
        with lock:
            if stopping.is_set():
                return None
            workers.append(Worker(setup, threads))
            return workers[-1]

    def following() -> Planned | None:
        with lock:
            return None if stopping.is_set() else next(queue, None)

    def work() -> None:
        worker, planned = start(), following()
        while worker is not None and planned is not None:
            result: Trained | str
            try:
                answer = worker.train(planned)
                result = answer["error"] if "error" in answer else Trained(**vars(planned), **answer)
            except WorkerEnded as error:
                result, worker = str(error), start()
            with lock:
                if not stopping.is_set():
                    on_end(planned, result)
            planned = following()

    count = min(processes, len(trainings))
    try:
        with terminable(), ThreadPoolExecutor(max(count, 1)) as pool:
            try:
                for future in wait([pool.submit(work) for _ in range(count)], return_when=FIRST_EXCEPTION).done:
                    future.result()
            finally:  # also after an interrupt: no child may go on
                stopping.set()
                with lock:
                    started = list(workers)
                for worker in started:
                    worker.end()
    finally:
        for worker in workers:
            worker.close()
