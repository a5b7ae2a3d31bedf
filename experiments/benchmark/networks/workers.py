"""Networks timed in turns, each in a process of its own, so that memory and threads do not mix."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from experiments.benchmark.networks import worker
from experiments.benchmark.networks.statistics import Seconds
from experiments.runs.json_process import JsonProcess, ProcessEnded
from nas_space.errors import InputError


@dataclass(frozen=True)
class Task:
    """What a process times.

    Args:
        name: the network's, for messages.
        engine: one of ``experiments.runtime.engines.PACKAGES``.
        file: the exported network.
        shape: of its input.
        threads: threads of the engine.
        device: ``cpu`` or ``cuda``.
        warmup: untimed calls before anything is timed, at least 1.
        pixels: whether the input is uint8 pixels.
    """

    name: str
    engine: str
    file: str
    shape: tuple[int, int, int, int]
    threads: int
    device: str
    warmup: int
    pixels: bool = False


class Worker:
    """A process that has opened a network and warmed up; a context manager that ends it.

    Args:
        task: what it times.

    Raises:
        InputError: the engine cannot open or run the network.
    """

    def __init__(self, task: Task) -> None:
        self.task, self._running = task, JsonProcess(worker.__name__, json.dumps(asdict(task)), task.threads)
        self.process = self._running.process
        try:
            with self._refused():
                self.opened = self._running.answer()
        except BaseException:
            self.close()
            raise
        self.last: dict[str, Any] = {}

    def time(self, calls: int) -> Sequence[float]:
        """Seconds of each of ``calls`` calls."""
        with self._refused():
            self.last = self._running.ask(str(calls))
        return self.last["seconds"]

    @contextmanager
    def _refused(self) -> Iterator[None]:
        try:
            yield
        except ProcessEnded as error:
            raise InputError(f"{self.task.name}: {self.task.engine} cannot run it: {error}") from None

    def close(self) -> None:
        """End the process."""
        self._running.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def take_turns(
    networks: Sequence[Worker], rounds: int, calls: int, done: Callable[[int], object] = lambda turn: None
) -> list[Seconds]:
    """Time all networks in every round; every second round is in reverse, so that none always follows the same one.

    Args:
        networks: what is timed.
        rounds: how often all of them are.
        calls: timed calls of a network in a round.
        done: called after each round with its number, from 1.

    Returns:
        Of each network ``(rounds, calls)``.
    """
    seconds = np.empty((len(networks), rounds, calls))
    for turn in range(rounds):
        for i in range(len(networks)) if turn % 2 == 0 else reversed(range(len(networks))):
            seconds[i, turn] = networks[i].time(calls)
        done(turn + 1)
    return list(seconds)
