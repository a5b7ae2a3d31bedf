"""The parent's end of a benchmark: a child process for each side, with requests and answers as JSON lines."""

import json
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from experiments.runs.processes import module_command
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

OUT_OF_MEMORY = "out of memory"
"""Error of a child whose side needs more memory than the machine has."""


@dataclass(frozen=True)
class Problem:
    """What is searched on.

    Args:
        space: the space.
        size: image height and width, in pixels.
        batch: images per batch; a bi-level iteration takes two.
        classes: of the segmentation.
        precision: ``32`` or ``bf16``.
        device: ``cpu`` or ``cuda``.
        seed: of weights, batches and survivors.
    """

    space: SpaceConfig
    size: tuple[int, int]
    batch: int
    classes: int
    precision: str
    device: str
    seed: int

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Problem":
        """Inverse of ``asdict``, also for the lists that JSON makes of tuples."""
        return cls(**{**values, "space": SpaceConfig.from_dict(values["space"]), "size": tuple(values["size"])})


class Child:
    """One side's search in a process of its own; a context manager that ends it.

    Args:
        side: ``ours`` or ``nni``.
        problem: what is searched on.
        layout: memory format, ``channels_last`` or ``contiguous``.
    """

    def __init__(self, side: str, problem: Problem, layout: str) -> None:
        self.side = side
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        command, pipe = module_command("experiments.benchmark.search.worker"), subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._log, text=True)
        answer = self.ask("search", side=side, problem=asdict(problem), layout=layout)
        self.device: str = answer["device"]
        self.threads: int = answer["threads"]

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def seconds(self, count: int) -> float:
        """Seconds an iteration, over ``count`` of them."""
        return float(self.ask("steps", count=count)["seconds"])

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            InputError: the memory does not suffice.
            RuntimeError: anything else that fails in the child.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):  # it may have answered why before it ended
            self._process.stdin.write(json.dumps({"do": do, **values}) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        reply: dict[str, Any] = (
            json.loads(line) if line else {"error": f"its process ended with {self._process.wait()}"}
        )
        if reply.get("error") == OUT_OF_MEMORY or (not line and self._process.returncode == -9):
            raise InputError(f"{self.side}: the memory does not suffice; lower --batch or --size")
        if "error" in reply:
            raise RuntimeError(f"the search of {self.side} failed: {reply['error']}")
        return reply
