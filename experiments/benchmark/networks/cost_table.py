"""What networks cost, as a table: one row for each network and size, counted, and measured if asked for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from experiments.benchmark.networks.files import check_file, check_image
from experiments.benchmark.networks.machine import conditions
from experiments.benchmark.networks.networks import Network
from experiments.benchmark.networks.onnx_counter import count_onnx
from experiments.benchmark.networks.statistics import latency
from experiments.benchmark.networks.timing import Entry, Setup, measure
from experiments.metrics.counter import Count, count_module
from experiments.runs.columns import CONV_MACS_G, FPS, LATENCY, MACS_G, MEMORY, PARAMETERS
from nas_space.cost import cost
from nas_space.errors import InputError

Size = tuple[int, int]


def count(network: Network, size: Size) -> Count:
    """Parameters and multiply-accumulates of a network for one image of ``size``.

    Raises:
        InputError: the network's ONNX file cannot be read.
    """
    if network.onnx is not None:
        return count_onnx(network.onnx, size)
    assert network.build is not None and network.classes is not None
    if network.architecture is None:
        return count_module(network.build(), size)
    exact = cost(network.architecture, size, network.classes, network.head)
    return Count(int(exact.params), int(exact.macs_conv), int(exact.macs_total), {})


def head_of(network: Network) -> str:
    """The head that is counted; ``-`` where the network is not of a space of this toolkit."""
    return "-" if network.architecture is None else network.head or network.architecture.space.heads[0]


def group_by_size(
    networks: Sequence[Network], sizes: Sequence[Size], precision: str, setup: Setup | None
) -> tuple[dict[Size, list[Network]], list[str]]:
    """Sort the networks by the sizes at which they can be counted (and timed, if ``setup`` is given).

    Returns:
        The networks of each size, and a sentence for each network that is missing somewhere.

    Raises:
        InputError: a network that cannot be at any size.
    """
    by_size: dict[Size, list[Network]] = {size: [] for size in sizes}
    notes = []
    for network in networks:
        missing: dict[str, InputError] = {}
        for size in sizes:
            try:
                if setup is not None:
                    check_file(network, setup.engine, precision, size)
                else:
                    check_image(network, size)
                by_size[size].append(network)
            except InputError as error:
                missing[f"{size[0]}x{size[1]}"] = error
        if len(missing) == len(sizes):
            raise next(iter(missing.values()))
        if missing:
            notes.append(f"{network.name}: cannot be run at {', '.join(missing)}")
    return {size: some for size, some in by_size.items() if some}, notes


def cost_rows(
    by_size: Mapping[Size, Sequence[Network]], precision: str, setup: Setup | None, progress: Callable[[str], object]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Count, and measure where there is a set-up: at each size all networks take turns.

    Args:
        by_size: of ``group_by_size``.
        precision: ``fp32`` or ``int8``.
        setup: how times are measured; None only counts.
        progress: told what is going on.

    Returns:
        Rows (network, head, size, params, macs_conv, macs_total, and where measured median_ms, fps, peak_memory_mb),
        what each size was measured with, and a sentence for each network with operators that were not counted.
    """
    rows, measured_with, notes = [], [], {}
    for size, networks in by_size.items():
        label = f"{size[0]}x{size[1]}"
        counts = [count(network, size) for network in networks]
        new_rows: list[dict[str, Any]] = []
        for network, one in zip(networks, counts, strict=True):
            macs = {"macs_conv": one.macs_conv, "macs_total": one.macs_total}
            new_rows.append(
                {"network": network.name, "head": head_of(network), "size": label, "params": one.params, **macs}
            )
            if one.unknown:
                listed = ", ".join(f"{times} {name}" for name, times in sorted(one.unknown.items()))
                notes[network.name] = f"{network.name}: MACs without its operators {listed}, whose cost is not known"
        if setup is not None:
            entries = [Entry(network, precision) for network in networks]

            def tell(step: str, label: str = label) -> object:
                return progress(f"{label}: {step}")

            timings, others = measure(entries, size, setup, tell)
            measured_with.append({"size": label, **conditions(setup, others)})
            for row, timing in zip(new_rows, timings, strict=True):
                times = latency(timing.seconds)
                row |= {"median_ms": times.median_ms, "fps": times.fps, "peak_memory_mb": timing.peak_memory_mb}
        rows += new_rows
    return rows, measured_with, list(notes.values())


MACS_NOTE = (
    f"{MACS_G.name}: of everything, also pooling and activations; "
    f"{CONV_MACS_G.name}: of convolutions and matrix products alone"
)
SHOWN = {
    "params": PARAMETERS,
    "macs_conv": CONV_MACS_G,
    "macs_total": MACS_G,
    "median_ms": LATENCY,
    "fps": FPS,
    "peak_memory_mb": MEMORY,
}


def readable_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table in the units of the papers: millions, billions, images a second."""
    shown = table[["network", "head", "size"]].rename(columns={"size": "input"})
    for key, column in SHOWN.items():
        if key in table:
            shown[column.name] = table[key].astype(float) / column.unit
    return shown
