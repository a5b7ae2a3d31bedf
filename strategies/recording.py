"""Loss and gradients of a step as a CUDA graph: launched as one piece, where a step by itself launches thousands of small kernels.

What is recorded holds as long as the modules keep their shapes and nothing that a step reads changes on the host. The
first step of a kind runs as it is, which also lets libraries set themselves up; the second is recorded, all others are
replayed.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

Batch = tuple[Tensor, ...]


class Recorded(NamedTuple):
    """A step that can be replayed.

    Args:
        graph: its kernels.
        batch: what they read; a new batch is copied here.
        loss: what they leave.
        gradients: where they leave the gradient of each parameter.
    """

    graph: torch.cuda.CUDAGraph
    batch: Batch
    loss: Tensor
    gradients: list[tuple[nn.Parameter, Tensor]]


def can_record(device: torch.device) -> bool:
    """Whether the device has graphs."""
    return device.type == "cuda"


def uncached() -> torch.autocast:
    """Autocast as it is, but for its cache: what that holds lies outside of a graph, and what it would hold must not be read outside."""
    return torch.autocast(
        "cuda", torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda"), cache_enabled=False
    )


class Recorder:
    """Runs steps on a GPU, each kind recorded once.

    Args:
        device: a CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._recorded: dict[Hashable, Recorded] = {}
        self._met: set[Hashable] = set()
        self._pool = torch.cuda.graph_pool_handle()

    def forget(self) -> None:
        """Drop everything that was recorded, because modules have changed, and give its memory back."""
        if self._recorded:
            self._recorded.clear()
            torch.cuda.empty_cache()  # else the next recording's memory comes on top
        self._met.clear()
        self._pool = torch.cuda.graph_pool_handle()

    def gradient(
        self, kind: Hashable, step: Callable[[Batch], Tensor], batch: Batch, parameters: Iterable[nn.Parameter]
    ) -> Tensor:
        """Loss of ``step``, which leaves gradients in ``parameters``; whatever was there before is gone.

        Args:
            kind: steps of one kind do the same, but for the batch's content.
            step: from a batch to its loss, detached; it must not wait for the device.
            batch: tensors on the device.
            parameters: those that may receive a gradient.

        Returns:
            The loss; it is overwritten by the next step of this kind.
        """
        kind = (kind, tuple((tensor.shape, tensor.dtype, tensor.stride()) for tensor in batch))
        if kind in self._recorded:
            recorded = self._recorded[kind]
            for own, given in zip(recorded.batch, batch, strict=True):
                own.copy_(given)
        else:
            parameters = list(parameters)
            for parameter in parameters:
                parameter.grad = None
            # Both on one stream that is not the usual one: autograd remembers where a parameter was first used.
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                if kind not in self._met:
                    self._met.add(kind)
                    loss = step(batch)
                else:
                    recorded = self._recorded[kind] = self._record(step, batch, parameters)
            torch.cuda.current_stream().wait_stream(self._stream)
            if kind not in self._recorded:
                return loss
        recorded.graph.replay()
        for parameter, gradient in recorded.gradients:
            parameter.grad = gradient
        return recorded.loss

    def _record(self, step: Callable[[Batch], Tensor], batch: Batch, parameters: list[nn.Parameter]) -> Recorded:
        own = tuple(tensor.clone() for tensor in batch)
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        # Not torch.cuda.graph: it collects garbage and empties caches, and a search records after every shrink.
        graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
        try:
            with uncached():
                loss = step(own)
        finally:
            graph.capture_end()
        return Recorded(graph, own, loss, [(p, p.grad) for p in parameters if p.grad is not None])
