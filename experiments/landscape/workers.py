"""Trainings in parallel processes, each of which does several."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from experiments.landscape.plan import Planned
from experiments.landscape.setup import TrainingSetup
from experiments.landscape.table import Trained
from experiments.runs.json_process import JsonProcess, ProcessEnded
from experiments.runs.processes import terminable

WORKER = "experiments.landscape.worker"
OnEnd = Callable[[Planned, Trained | str], None]
TrainAll = Callable[[Sequence[Planned], TrainingSetup, int, int, OnEnd], None]
"""What ``train_all`` is; a race may be given another one."""


class Worker:
    """A process that trains one network after another.

    Args:
        setup: what all of its trainings share.
        threads: of torch.
    """

    def __init__(self, setup: TrainingSetup, threads: int) -> None:
        self._is_ready = False
        self.running = JsonProcess(WORKER, setup.to_json(), threads)

    def train(self, planned: Planned) -> dict[str, Any]:
        """The worker's answer: ``miou``, ``macs``, ``params``, ``minutes``; or ``error``.

        Raises:
            ProcessEnded: the process has ended.
            RuntimeError: it has ended before it could train anything.
        """
        if not self._is_ready:
            try:
                self._is_ready = bool(self.running.answer())
            except ProcessEnded as error:
                raise RuntimeError(f"a training process ended at its start: {error}") from None
        return self.running.ask(json.dumps({"architecture": planned.architecture.to_json(), "seed": planned.seed}))


def train_all(
    trainings: Sequence[Planned],
    setup: TrainingSetup,
    processes: int,
    threads: int,
    on_end: OnEnd,
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
            except ProcessEnded as error:
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
                    worker.running.end()
    finally:
        for worker in workers:
            worker.running.close()
