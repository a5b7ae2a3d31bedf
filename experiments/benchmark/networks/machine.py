"""What a measurement was made with, in words: device, driver, engine, settings, load, and the command that repeats it."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import torch

from experiments.benchmark.networks.gpu import driver
from experiments.benchmark.networks.load import warning
from experiments.benchmark.networks.timing import Measured, Setup, engine_version
from experiments.latency.engines import processor_name
from experiments.runs.environment import package_version


def conditions(setup: Setup, others: float) -> dict[str, Any]:
    """Everything that decides the figures besides networks and sizes.

    Args:
        setup: how it was measured.
        others: cores that others kept busy meanwhile.
    """
    on_gpu = setup.device == "cuda"
    return {
        "engine": setup.engine,
        "version": engine_version(setup.engine),
        "device": torch.cuda.get_device_name() if on_gpu else processor_name(),
        "driver": driver() if on_gpu else None,
        "cores": os.cpu_count(),
        "threads": setup.threads,
        "batch": 1,
        "rounds": setup.rounds,
        "calls": setup.calls,
        "warmup": setup.warmup,
        "busy_cores_of_others": others,
        "warning": warning(others, setup.threads),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "ssr_nas": package_version(),
    }


def described(found: Mapping[str, Any]) -> str:
    """``conditions`` for people, in a few lines."""
    device = (
        f"{found['device']}, driver {found['driver']}"
        if found["driver"]
        else f"{found['device']}, {found['cores']} cores"
    )
    threads = "1 thread" if found["threads"] == 1 else f"{found['threads']} threads"
    lines = [
        f"{found['engine']} {found['version']} on {device}; {threads}, batch {found['batch']}; {found['date']}",
        f"meanwhile others kept {found['busy_cores_of_others']:.2f} cores busy",
    ]
    if found["warning"]:
        lines[-1] = f"warning: {found['warning']}"
    return "\n".join(lines)


def folding(measured: Measured) -> str:
    """Where the batch norms of a network have gone."""
    if measured.unfolded is None or not measured.unfolded:
        return "folded"
    return f"{measured.unfolded} left to the engine"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as columns: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    words = [any(" " in row[i] for row in rows[1:]) or i == 0 for i in range(len(widths))]
    lines = (
        "  ".join(f"{cell:{'<' if left else '>'}{width}}" for cell, left, width in zip(row, words, widths, strict=True))
        for row in rows
    )
    return "\n".join(f"  {line.rstrip()}" for line in lines)
