"""The child process of a benchmark: it searches, and waits between two rounds for the parent's next request.

Requests and answers are JSON, a line each, on standard input and output. Requests are ``steps`` (time iterations),
``shrink``, ``resize``, ``count`` (MACs of one iteration), ``memory``, ``peak`` (of convolutions) and ``stop``. A child
that waits takes no processor time, so the other child has the machine.
"""

import json
import os
import sys
import traceback
import warnings
from typing import Any, TextIO

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmark.search.child import OUT_OF_MEMORY, Problem
from experiments.benchmark.search.peak import convolution_peak
from experiments.benchmark.search.side import FixedBatches, search
from experiments.benchmark.search.survivors import random_survivors
from experiments.runs.environment import device_name
from experiments.runs.measure import now, peak_memory_mib
from experiments.training.lightning import silence_lightning
from strategies.search_module import SearchModule


class Rounds(Callback):
    """Handles the parent's requests between iterations, and measures the iterations that they ask for.

    Args:
        problem: what is searched on.
        streams: of weights and architecture.
        output: where answers go.
        imported: memory that the imports took, in MiB.
    """

    def __init__(
        self, problem: Problem, streams: tuple[FixedBatches, FixedBatches], output: TextIO, imported: float
    ) -> None:
        self.problem = problem
        self.streams = streams
        self.output = output
        self.imported = imported
        self.left = 0
        self._count = 0
        self._start = 0.0
        self._counter: FlopCounterMode | None = None

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        while self.left == 0 and not trainer.should_stop:
            request = json.loads(sys.stdin.readline() or '{"do": "stop"}')
            self._handle_request(request, trainer, pl_module)
            # The batch at hand still has the old size: train on it, untimed, before the next request.
            if request["do"] == "resize":
                break

    def _handle_request(self, request: dict[str, Any], trainer: pl.Trainer, pl_module: Any) -> None:
        if request["do"] == "steps":
            self.left = self._count = request["count"]
            self._start = now(self.problem.device)
        elif request["do"] == "count":
            self.left = self._count = 1
            if isinstance(pl_module, SearchModule):
                pl_module.forget_recorded()  # what a GPU replays cannot be counted
            self._counter = FlopCounterMode(display=False)
            self._counter.__enter__()
        elif request["do"] == "shrink":
            alive = random_survivors(self.problem.space, request["share"], self.problem.seed)
            pl_module.apply_alive(alive.to(pl_module.device))
            answer(self.output, alive=alive.counts())
        elif request["do"] == "resize":
            for stream in self.streams:
                stream.resize(tuple(request["size"]))
            answer(self.output)
        elif request["do"] == "memory":
            answer(self.output, mib=peak_memory_mib(self.problem.device) - self.imported)
        elif request["do"] == "peak":
            answer(self.output, macs_per_s=convolution_peak(self.problem.device, self.problem.precision))
        else:
            trainer.should_stop = True

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.left == 0:
            return
        self.left -= 1
        if self.left == 0 and self._counter is not None:
            self._counter.__exit__(None, None, None)
            answer(self.output, macs=self._counter.get_total_flops() / 2)
            self._counter = None
        elif self.left == 0:
            answer(self.output, seconds=(now(self.problem.device) - self._start) / self._count)


def answer(output: TextIO, **values: Any) -> None:
    """Write one answer to the parent."""
    print(json.dumps(values), file=output, flush=True)


def main() -> None:
    """Read the problem, name the device, search."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    warnings.simplefilter("ignore")
    silence_lightning()
    imported = peak_memory_mib("cpu")
    request = json.loads(sys.stdin.readline())
    problem, layout = Problem.from_json(request["problem"]), request["layout"]
    try:
        streams = (FixedBatches(problem, 0, layout), FixedBatches(problem, 1, layout))
        rounds = Rounds(problem, streams, output, 0.0 if problem.device == "cuda" else imported)
        answer(output, device=device_name(problem.device), threads=torch.get_num_threads())
        search(request["side"], problem, layout, streams, rounds)
    except Exception as error:
        traceback.print_exc()
        is_memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
        answer(output, error=OUT_OF_MEMORY if is_memory else f"{type(error).__name__}: {error}")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
