"""What a measurement was made with: device, driver, engine, settings and load, as data and in words."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import torch

from experiments.benchmark.networks.timing import NetworkTiming, Setup
from experiments.runs.environment import engine_versions, gpu_driver, processor_name
from experiments.runs.load import warning
from experiments.runs.tables import counted
from experiments.runtime.engines import PACKAGES


def conditions(setup: Setup, others: float) -> dict[str, Any]:
    """Everything that decides the figures besides networks and sizes.

    Args:
        setup: how it was measured.
        others: cores that others kept busy meanwhile.
    """
    on_gpu = setup.device == "cuda"
    return {
        "engine": setup.engine,
        "version": engine_versions(PACKAGES[setup.engine])[PACKAGES[setup.engine][-1]],
        "device": torch.cuda.get_device_name() if on_gpu else processor_name(),
        "driver": gpu_driver() if on_gpu else None,
        "cores": os.cpu_count(),
        "threads": setup.threads,
        "batch": 1,
        "rounds": setup.rounds,
        "calls": setup.calls,
        "warmup": setup.warmup,
        "busy_cores_of_others": others,
        "warning": warning(others, setup.threads),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "ssr_nas": version("ssr-nas"),
    }


def describe_conditions(measured: Mapping[str, Any]) -> str:
    """What ``conditions`` returns, in two lines for people."""
    device, driver = measured["device"], measured["driver"]
    device += f", driver {driver}" if driver else f", {measured['cores']} cores"
    threads = counted(measured["threads"], "thread")
    engine = f"{measured['engine']} {measured['version']} on {device}"
    load = f"meanwhile others kept {measured['busy_cores_of_others']:.2f} cores busy"
    load = f"warning: {measured['warning']}" if measured["warning"] else load
    return f"{engine}; {threads}, batch {measured['batch']}; {measured['date']}\n{load}"


def describe_batch_norms(timing: NetworkTiming) -> str:
    """Where the batch norms of a network have gone."""
    return f"{timing.batch_norms} left to the engine" if timing.batch_norms else "folded"


def align_columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as columns: text to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    words = [any(" " in row[i] for row in rows[1:]) or i == 0 for i in range(len(widths))]
    lines = (
        "  ".join(f"{cell:{'<' if left else '>'}{width}}" for cell, left, width in zip(row, words, widths, strict=True))
        for row in rows
    )
    return "\n".join(f"  {line.rstrip()}" for line in lines)
