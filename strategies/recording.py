"""Loss and gradients of a step as a CUDA graph: launched as one piece instead of thousands of small kernels.

A recording is valid as long as the modules keep their shapes and nothing that a step reads changes on the host. The
first step of a kind runs as it is, for libraries to set themselves up. The second is recorded, the others are replayed.
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
        batch: the tensors that the kernels read; a new batch is copied into them.
        loss: the tensor that the kernels write.
        gradients: the gradient that the kernels write, for each parameter.
    """

    graph: torch.cuda.CUDAGraph
    batch: Batch
    loss: Tensor
    gradients: list[tuple[nn.Parameter, Tensor]]


def can_record(device: torch.device) -> bool:
    """Whether the device has graphs."""
    return device.type == "cuda"


def uncached() -> torch.autocast:
    """The current autocast without its cache: a graph and the code outside must not share cached tensors."""
    dtype, enabled = torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda")
    return torch.autocast("cuda", dtype, enabled, cache_enabled=False)


class Recorder:
    """Runs steps on a GPU, each kind recorded once.

    Args:
        device: a CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._recorded: dict[Hashable, Recorded] = {}
        self._seen: set[Hashable] = set()
        self._pool = torch.cuda.graph_pool_handle()

    def forget(self) -> None:
        """Drop all recordings, because modules have changed, and free their memory."""
        if self._recorded:
            self._recorded.clear()
            torch.cuda.empty_cache()  # else the next recording's memory comes on top
        self._seen.clear()
        self._pool = torch.cuda.graph_pool_handle()

    def gradient(
        self, kind: Hashable, step: Callable[[Batch], Tensor], batch: Batch, parameters: Iterable[nn.Parameter]
    ) -> Tensor:
        """Loss of ``step``, which writes the gradients of ``parameters``; earlier gradients are dropped.

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
            for target, tensor in zip(recorded.batch, batch, strict=True):
                target.copy_(tensor)
        else:
            parameters = list(parameters)
            for parameter in parameters:
                parameter.grad = None
            # Both on one stream that is not the usual one: autograd remembers where a parameter was first used.
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                if kind not in self._seen:
                    self._seen.add(kind)
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
        static_batch = tuple(tensor.clone() for tensor in batch)
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        # Not torch.cuda.graph: it collects garbage and empties caches, and a search records after every shrink.
        graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
        try:
            with uncached():
                loss = step(static_batch)
        finally:
            graph.capture_end()
        return Recorded(graph, static_batch, loss, [(p, p.grad) for p in parameters if p.grad is not None])
