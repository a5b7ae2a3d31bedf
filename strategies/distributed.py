"""Communication between the processes of a data-parallel search; in a single process each function does nothing.

``DistributedDataParallel`` does not fit a search that shrinks: its reducer keeps the parameters that leave, and wants
the same ones to require a gradient at every step. Averaging the gradients that exist is simpler, and exact.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, distributed, nn


def is_parallel() -> bool:
    """Whether this process is one of a group."""
    return distributed.is_available() and distributed.is_initialized()


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes, in one collective.

    Args:
        parameters: in the same order everywhere, with gradients for the same ones; those without are skipped.
    """
    if not is_parallel():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    _scatter(flat.div_(distributed.get_world_size()), gradients)


def average(tensor: Tensor) -> Tensor:
    """The mean of ``tensor`` over all processes; its shape, type and device stay."""
    if not is_parallel():
        return tensor
    mean = tensor.to(_device(), copy=True)
    distributed.all_reduce(mean)
    return mean.div_(distributed.get_world_size()).to(tensor.device)


@torch.no_grad()
def broadcast(tensors: Iterable[Tensor]) -> None:
    """Overwrite the tensors of every process by those of the first, in one collective for each type.

    Args:
        tensors: of the same shapes and types, in the same order, everywhere.
    """
    if not is_parallel():
        return
    groups: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault(tensor.dtype, []).append(tensor)
    for group in groups.values():
        flat = torch.cat([tensor.reshape(-1).to(_device()) for tensor in group])
        distributed.broadcast(flat, src=0)
        _scatter(flat, group)


def broadcast_random_state(device: torch.device) -> None:
    """Let every process draw the random numbers that the first will draw, on the CPU and on its ``device``."""
    if not is_parallel():
        return
    state = torch.get_rng_state()
    broadcast([state])
    torch.set_rng_state(state)
    if device.type == "cuda":
        state = torch.cuda.get_rng_state(device)
        broadcast([state])
        torch.cuda.set_rng_state(state, device)


def _device() -> torch.device:
    """Where tensors must be to be sent."""
    on_gpu = distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


def _scatter(flat: Tensor, tensors: list[Tensor]) -> None:
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view(tensor.shape))
