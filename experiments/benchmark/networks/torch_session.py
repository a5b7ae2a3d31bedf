"""A network that ``torch.export`` has written, run by PyTorch: as it is, or compiled."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def open_torch(
    file: Path, image: NDArray[np.float32], threads: int, device: str, compiled: bool
) -> Callable[[], tuple[int, ...]]:
    """One call on ``image``, with channels last in memory; on a GPU it ends when the GPU is done.

    Args:
        file: written by ``torch.export.save``.
        image: ``(N, C, H, W)``; copied to the device once, before the calls.
        threads: threads on the processor.
        device: ``cpu`` or ``cuda``.
        compiled: by ``torch.compile``.
    """
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
