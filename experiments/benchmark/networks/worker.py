"""The process in which one network is timed: only its engine and its exported file are in memory.

Started with a JSON object as its argument. It opens the file, warms up and answers with a line of JSON; each line ``N``
that it then reads is answered with the seconds of N calls; it ends with its input. What engines print goes to standard
error.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.runs.measure import peak_memory_mib
from experiments.runtime.engines import PACKAGES, Call, import_engine, timed_call


def open_call(
    engine: str, file: Path, shape: tuple[int, int, int, int], threads: int, device: str, pixels: bool = False
) -> Call:
    """One call of the network in ``file`` on a random image.

    Args:
        engine: one of ``experiments.runtime.engines.PACKAGES``.
        file: ONNX, or for torch and compile what ``torch.export.save`` wrote.
        shape: of the input.
        threads: threads of the engine, on the processor.
        device: ``cpu`` or ``cuda``.
        pixels: whether the input is uint8 pixels.
    """
    if engine in ("torch", "compile"):
        image = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        return open_torch(file, image, threads, device, compiled=engine == "compile")
    return timed_call(engine, file, threads, shape, pixels)


def open_torch(file: Path, image: NDArray[np.float32], threads: int, device: str, compiled: bool) -> Call:
    """One call on ``image``, with channels last in memory; on a GPU it ends when the GPU is done.

    Args:
        file: written by ``torch.export.save``.
        image: ``(N, C, H, W)``; copied to the device once, before the calls.
        threads: threads on the processor.
        device: ``cpu`` or ``cuda``.
        compiled: by ``torch.compile``.
    """
    import torch

    torch.set_num_threads(threads)
    network: Any = torch.export.load(file).module().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch = torch.from_numpy(image).to(device).contiguous(memory_format=torch.channels_last)
    run = torch.compile(network) if compiled else network

    def call() -> tuple[int, ...]:
        with torch.inference_mode():
            logits = run(batch)
        if device == "cuda":
            torch.cuda.synchronize()
        return tuple(logits.shape)

    return call


def main() -> None:
    """Time the network of the task in ``sys.argv[1]``."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**content: Any) -> None:
        print(json.dumps(content), file=answers, flush=True)

    task = json.loads(sys.argv[1])
    import_engine(PACKAGES[task["engine"]][-1])
    before = peak_memory_mib("cpu")
    start = time.perf_counter()
    keys = ("threads", "device", "pixels")
    call = open_call(task["engine"], Path(task["file"]), tuple(task["shape"]), *(task[key] for key in keys))
    load = time.perf_counter() - start
    for _ in range(task["warmup"]):
        output = call()
    answer(output=output, load_s=load, idle_memory_mb=before)
    gc.collect()
    gc.disable()
    for line in sys.stdin:
        call()  # what the networks between have driven out of the caches comes back
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        answer(seconds=seconds, peak_memory_mb=peak_memory_mib(task["device"]))


if __name__ == "__main__":
    main()
