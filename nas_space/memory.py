"""How much memory networks and super-networks need, in closed form, and whether it is there. No torch."""

from contextlib import suppress
from pathlib import Path

import psutil

from nas_space.architecture import Architecture
from nas_space.config import Head, SpaceConfig
from nas_space.cost import cost, fixed_cost, operator_cost
from nas_space.errors import InputError

WEIGHT, TABLE_CELL = 4, 8  # bytes: float32, float64
TRAINED = 4  # numbers for each weight in training: itself, its gradient, and the two moments of Adam
TABLES = 3  # at least: expected parameters and MACs, and one of them while it is made
MODULE = 24_000  # bytes of the Python objects of one operator, measured on the paper's space
SMALLEST = (32, 32)  # the number of weights is the same at any image size
CGROUP = Path("/sys/fs/cgroup")


def free_memory(cgroup: Path = CGROUP) -> int:
    """Bytes that this process may still take: the machine's free ones, or what is left of a container's limit.

    Args:
        cgroup: where the kernel tells the limit of this process's control group (version 2).
    """
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # no such limit: ``max``, or no file
        limit = int((cgroup / "memory.max").read_text(encoding="ascii"))
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        files = dict(line.split() for line in (cgroup / "memory.stat").read_text(encoding="ascii").splitlines())
        return min(free, max(limit - used + int(files.get("inactive_file", 0)), 0))  # cached files give way
    return free


def network_bytes(architecture: Architecture, num_classes: int, head: Head | None = None, copies: int = 1) -> int:
    """Memory of a network's weights and modules, without its activations.

    Args:
        architecture: its layers.
        num_classes: channels of the logits.
        head: of the network; absent, that of a search.
        copies: numbers that are held for each weight.
    """
    layers = sum(map(len, architecture.stages))
    return int(cost(architecture, SMALLEST, num_classes, head).params) * WEIGHT * copies + layers * MODULE


def check_network(
    name: str, architecture: Architecture, num_classes: int, head: Head | None = None, copies: int = 1
) -> None:
    """Check that a network fits into memory, before it is made.

    Args:
        name: what to call it: its file, or ``architecture``.
        architecture: its layers.
        num_classes: channels of the logits.
        head: of the network; absent, that of a search.
        copies: numbers that are held for each weight.

    Raises:
        InputError: it needs more than is free.
    """
    weights = int(cost(architecture, SMALLEST, num_classes, head).params)
    _check(name, weights, network_bytes(architecture, num_classes, head, copies))


def supernet_weights(space: SpaceConfig, num_classes: int) -> int:
    """Weights of a super-network: every operator of every layer at full width."""
    total = fixed_cost(space, SMALLEST, num_classes).params
    for width, layers in zip(space.widths, space.layers, strict=True):
        total += layers * len(space.operators) * operator_cost(width, 1, SMALLEST).params.at(width, width)
    return int(total)


def check_supernet(space: SpaceConfig, num_classes: int, copies: int = TRAINED) -> None:
    """Check that a super-network fits into memory, with its modules and its tables of costs, before it is made.

    Args:
        space: the searched space.
        num_classes: channels of the logits.
        copies: numbers that are held for each weight.

    Raises:
        InputError: it needs more than is free.
    """
    operators = sum(space.layers) * len(space.operators)
    cells = operators * space.most_widths**2
    weights = supernet_weights(space, num_classes)
    needed = weights * WEIGHT * copies + operators * MODULE + cells * TABLE_CELL * TABLES
    _check("space: its super-network", weights, needed)


def _check(name: str, weights: int, needed: int) -> None:
    free = free_memory()
    if needed > free:
        sizes = f"{weights:,} parameters take {needed / 1e9:,.1f} GB of memory, {free / 1e9:,.1f} GB are free"
        raise InputError(f"{name}: {sizes}; give smaller widths, smaller depths or fewer candidates")
