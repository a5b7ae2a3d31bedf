"""Networks timed in turns, each in a process of its own, so that memory and threads do not mix."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from experiments.benchmark.networks import worker
from experiments.benchmark.networks.statistics import Seconds
from experiments.runs.processes import module_command
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
        self.task = task
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        command, pipe = module_command(worker.__name__, json.dumps(asdict(task))), subprocess.PIPE
        environment = {**os.environ, "OMP_NUM_THREADS": str(task.threads)}
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self.errors, text=True, env=environment
        )
        try:
            self.opened = self._answer()
        except BaseException:
            self.close()
            raise
        self.last: dict[str, Any] = {}

    def time(self, calls: int) -> Sequence[float]:
        """Seconds of each of ``calls`` calls."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has died; what it said last is the error
            self.process.stdin.write(f"{calls}\n")
            self.process.stdin.flush()
        self.last = self._answer()
        return self.last["seconds"]

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            lines = self.errors.read().strip().splitlines() or [f"its process ended with code {code}"]
            raise InputError(f"{self.task.name}: {self.task.engine} cannot run it: {lines[-1]}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]  # both are pipes

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
