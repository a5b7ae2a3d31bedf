"""A process that answers in lines of JSON, and does one thing after another."""

import json
import os
import subprocess
import tempfile
from contextlib import suppress
from typing import Any

from experiments.runs.processes import module_command


class ProcessEnded(RuntimeError):
    """The process has ended before it answered, as one does that the system kills for its memory."""


class JsonProcess:
    """A module of this toolkit in a process of its own.

    Args:
        module: what it runs.
        argument: given to the module.
        threads: of its numeric libraries.
    """

    def __init__(self, module: str, argument: str, threads: int) -> None:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        environment, pipe = {**os.environ, "OMP_NUM_THREADS": str(threads)}, subprocess.PIPE
        command = module_command(module, argument)
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self._errors, text=True, env=environment
        )

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line, and wait for the answer.

        Raises:
            ProcessEnded: there is none; the message is the last that the process said.
        """
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended; what it said last is the error
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer; errors as of ``ask``."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self._errors.seek(0)
            lines = self._errors.read().strip().splitlines()
            # What a process says that is killed from outside is no reason.
            raise ProcessEnded(lines[-1] if code > 0 and lines else f"its process ended with code {code}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """End the process; a thread that waits for its answer gets ``ProcessEnded``."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End the process and close its streams, which no other thread may still read."""
        self.end()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            with suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]  # both are pipes
