"""The child process of a benchmark: it searches, and waits between two rounds for the parent's next word.

Words and answers are JSON, a line each, on standard input and output: ``steps`` (time some iterations), ``shrink``,
``resize``, ``count`` (MACs of one iteration), ``memory``, ``peak`` (of convolutions) and ``stop``. A wait costs
nothing, so the other child has the machine.
"""

import json
import os
import sys
import time
import traceback
import warnings
from typing import Any, TextIO

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmark.search.memory import peak_mib
from experiments.benchmark.search.peak import convolution_peak
from experiments.benchmark.search.problem import OUT_OF_MEMORY, Problem
from experiments.benchmark.search.side import FixedBatches, search
from experiments.benchmark.search.survivors import random_survivors
from experiments.runs.environment import device_name
from experiments.training.lightning import silence_lightning
from strategies.search_module import SearchModule


class Rounds(Callback):
    """Runs iterations when it is told to.

    Args:
        problem: what is searched on.
        streams: of weights and architecture.
        answers: where answers go.
        imported: what the imports took, in MiB.
    """

    def __init__(
        self, problem: Problem, streams: tuple[FixedBatches, FixedBatches], answers: TextIO, imported: float
    ) -> None:
        self.problem = problem
        self.streams = streams
        self.answers = answers
        self.imported = imported
        self.left = 0
        self._count = 0
        self._start = 0.0
        self._counter: FlopCounterMode | None = None

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Between two rounds, do as told until the next one begins."""
        while self.left == 0 and not trainer.should_stop:
            word = json.loads(sys.stdin.readline() or '{"do": "stop"}')
            self._obey(word, trainer, pl_module)
            # The batch at hand is of the old size: it is trained on, untimed, before the next word is read.
            if word["do"] == "resize":
                break

    def _obey(self, word: dict[str, Any], trainer: pl.Trainer, pl_module: Any) -> None:
        if word["do"] == "steps":
            self.left = self._count = word["count"]
            self._synchronise()
            self._start = time.perf_counter()
        elif word["do"] == "count":
            self.left = self._count = 1
            if isinstance(pl_module, SearchModule):
                pl_module.forget_recorded()  # what a GPU replays cannot be counted
            self._counter = FlopCounterMode(display=False)
            self._counter.__enter__()
        elif word["do"] == "shrink":
            alive = random_survivors(self.problem.space, word["share"], self.problem.seed)
            pl_module.apply_alive(alive.to(pl_module.device))
            self._answer(alive=alive.counts())
        elif word["do"] == "resize":
            for stream in self.streams:
                stream.resize(tuple(word["size"]))
            self._answer()
        elif word["do"] == "memory":
            self._answer(mib=peak_mib(self.problem.device) - self.imported)
        elif word["do"] == "peak":
            self._answer(macs_per_s=convolution_peak(self.problem.device, self.problem.precision))
        else:
            trainer.should_stop = True

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Answer at the end of a round."""
        if self.left == 0:
            return
        self.left -= 1
        if self.left == 0 and self._counter is not None:
            self._counter.__exit__(None, None, None)
            self._answer(macs=self._counter.get_total_flops() / 2)
            self._counter = None
        elif self.left == 0:
            self._synchronise()
            self._answer(seconds=(time.perf_counter() - self._start) / self._count)

    def _synchronise(self) -> None:
        if self.problem.device == "cuda":
            torch.cuda.synchronize()

    def _answer(self, **values: Any) -> None:
        print(json.dumps(values), file=self.answers, flush=True)


def main() -> None:
    """Read the problem, say what the device is called, search."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    warnings.simplefilter("ignore")
    silence_lightning()
    imported = peak_mib("cpu")
    given = json.loads(sys.stdin.readline())
    problem = Problem.from_json(given["problem"])
    try:
        streams = (FixedBatches(problem, 0, given["layout"]), FixedBatches(problem, 1, given["layout"]))
        rounds = Rounds(problem, streams, answers, 0.0 if problem.device == "cuda" else imported)
        print(
            json.dumps({"device": device_name(problem.device), "threads": torch.get_num_threads()}),
            file=answers,
            flush=True,
        )
        search(given["side"], problem, given["layout"], streams, rounds)
    except Exception as error:
        traceback.print_exc()
        memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
        print(
            json.dumps({"error": OUT_OF_MEMORY if memory else f"{type(error).__name__}: {error}"}),
            file=answers,
            flush=True,
        )
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
