"""A process that trains networks, one after another: data and libraries are loaded once.

It is started by ``workers.py``. It reads a network and its seed from each line of its standard input, and answers with
a line of JSON. It ends at once when its input is closed: nobody waits for it any more.
"""

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any


def listen() -> "SimpleQueue[str]":
    """The lines of standard input, from a thread that ends this process when there are no more."""
    lines: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return lines


def answer(result: dict[str, Any], stream: Any) -> None:
    """Write one line."""
    stream.write(json.dumps(result) + "\n")
    stream.flush()


def main(setup: str) -> None:
    """Answer until the input is closed.

    Args:
        setup: a ``TrainingSetup`` as JSON.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C goes to all processes of a terminal; the first one ends us
    lines, answers = listen(), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    from experiments.landscape.setup import TrainingSetup
    from experiments.training.retrain import Retraining, model_cost
    from experiments.training.score import train_and_score
    from nas_space.architecture import Architecture
    from nas_space.errors import InputError

    shared = TrainingSetup.from_json(setup)
    data = shared.load()
    answer({"ready": True}, answers)
    while True:
        job = json.loads(lines.get())
        start = time.perf_counter()
        try:
            options = replace(shared.options, seed=job["seed"])
            training = Retraining(options, data, Path(), Architecture.from_json(job["architecture"]))
            miou, cost = train_and_score(training).miou, model_cost(training.info)
            minutes = (time.perf_counter() - start) / 60
            answer({"miou": miou, "macs": cost["macs_total"], "params": cost["params"], "minutes": minutes}, answers)
        except InputError as error:
            answer({"error": str(error)}, answers)
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"}, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
