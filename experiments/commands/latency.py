"""Measure how long each layer of a space takes, as a table that predicts the latency of its networks.

The table is a JSON file that a search with a bound on latency reads. It is valid for one engine, device, image size and
number of threads. Random networks can be measured whole to see how well it predicts.
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.latency import ROUNDS
from experiments.options.groups import SpaceOptions, parse_size
from experiments.runs.files import new_file, write_atomic
from experiments.runs.tables import number, numbers
from nas_space.config import operator_name
from nas_space.errors import InputError
from nas_space.latency import LatencyTable, all_operators

if TYPE_CHECKING:
    from experiments.latency.check import TableAccuracy


@dataclass
class Options:
    """Options of ``ssr-nas latency``.

    Args:
        space: the space; all its operators and widths are measured, searched or not.
        size: image size HEIGHTxWIDTH in pixels.
        classes: classes of the segmentation.
        engine: what runs the layers: onnxruntime, openvino or torch.
        threads: threads of the engine. With one, processor time is measured, which other processes hardly disturb.
        rounds: how often everything is measured; the fastest call counts where nothing else slowed the machine down.
        out: the table's file.
        check: measure this many random networks whole as well, and compare.
        table: check this table instead of measuring one; space, size, classes, engine and threads are then the table's.
    """

    space: SpaceOptions = field(default_factory=SpaceOptions)
    size: str = "96x128"
    classes: int = 9
    engine: str = "onnxruntime"
    threads: int = 1
    rounds: int = ROUNDS
    out: str = "latency.json"
    check: int = 0
    table: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Measure a table or read one, print it, check it if asked; return its file, its making and its accuracy."""
    from experiments.latency.check import check_table
    from experiments.runs.environment import processor_name

    start = time.perf_counter()
    for key, least in (("classes", 1), ("threads", 1), ("rounds", 1), ("check", 0)):
        if getattr(options, key) < least:
            raise InputError(f"{key}: {getattr(options, key)} must be at least {least}")
    if options.check == 1:
        raise InputError("check: a rank correlation needs at least 2 networks")
    if options.table is None:
        file, table = options.out, _measure(options)
        print(f"{_format_table(table)}\ntable  {file}")
    else:
        file, table = options.table, _read(options, options.table)
        print(_format_table(table))
    result = {
        "file": file,
        **{key: getattr(table, key) for key in ("engine", "device", "threads", "fixed_ms")},
        "operators": len(table.widths) * len(all_operators(table.space)),
    }
    if options.check:
        if table.device != processor_name():
            print(f"measured on {table.device}, checked on {processor_name()}: only the ranks can be compared")
        accuracy = check_table(table, options.check, options.rounds)
        print(_format_accuracy(accuracy))
        keys = ("rank_correlation", "rank_correlation_macs", "median_relative_error")
        result |= {key: getattr(accuracy, key) for key in keys}
        result["networks"] = [network._asdict() for network in accuracy.networks]
    return {**result, "seconds": time.perf_counter() - start}


def _measure(options: Options) -> LatencyTable:
    from experiments.latency.build import build_table
    from experiments.latency.engines import find_engine

    space, size = options.space.resolve(), parse_size(options.size)
    find_engine(options.engine)
    with new_file(options.out):
        table = build_table(space, size, options.classes, options.engine, options.threads, options.rounds)
        write_atomic(options.out, table.to_json(), new=True)
    return table


def _read(options: Options, file: str) -> LatencyTable:
    """The table in ``file``; options that contradict it are refused."""
    table, default = LatencyTable.load(file), Options()
    for key in ("size", "classes", "engine", "threads"):
        given, measured = getattr(options, key), getattr(table, key)
        measured = "{}x{}".format(*measured) if key == "size" else measured
        if given not in (getattr(default, key), measured):
            fix = "leave the option out, or measure another table"
            raise InputError(f"--{key} {given}: {file} was measured with {measured}; {fix}")
    if options.space != default.space:
        try:
            table.check(options.space.resolve(), table.size, table.engine)
        except InputError as error:
            raise InputError(f"{file}: {error}") from None
    return table


def _format_table(table: LatencyTable) -> str:
    size, threads = f"{table.size[0]}x{table.size[1]}", "1 thread" if table.threads == 1 else f"{table.threads} threads"
    header = "".join(f"  {f'stage {stage + 1}':>15}" for stage in range(len(table.widths)))
    widths = "".join(f"  {f'{w[0]}/{w[0]} {w[-1]}/{w[-1]}':>15}" for w in table.widths)
    rows = []
    for i, operator in enumerate(all_operators(table.space)):
        pairs = (numbers([stage[i][0][0], stage[i][-1][-1]], 3) for stage in table.layers_ms)
        times = "".join(f"  {least:>7} {most:>7}" for least, most in pairs)
        rows.append(f"  {operator_name(*operator):<18}{times}")
    engine = f"{table.engine} {table.versions.get(table.engine, '')}"
    lines = (
        f"{engine} on {table.device}, float{table.precision}, {threads}",
        f"{size}, {table.classes} classes, {table.date}",
        "",
        f"  {'milliseconds':<18}{header}",
        f"  {'3x1/1x3 widths':<18}{widths}",
        *rows,
        f"and {number(table.fixed_ms, 3)} for the downsamplers, the classifier and the call",
    )
    return "\n".join(lines)


def _format_accuracy(accuracy: "TableAccuracy") -> str:
    times = sorted(network.measured_ms for network in accuracy.networks)
    spread = " to ".join(numbers([times[0], times[-1]], 3))
    return (
        f"{len(times)} random networks took {spread} ms; rank correlation with that: "
        f"predicted latency {accuracy.rank_correlation:.3f}, MACs {accuracy.rank_correlation_macs:.3f}\n"
        f"median relative error of the prediction {number(100 * accuracy.median_relative_error, 1)} %"
    )
