"""Measure a space's layers: a table that predicts latency.

The table is a JSON file that a search with a bound on latency reads. It is valid for one engine, device, precision,
image size and number of threads. Tables are kept in the user's cache folder. Random networks can be exported and timed
as ``ssr-nas benchmark`` does it, to see how well a table predicts.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.latency import ROUNDS
from experiments.latency.options import TableOptions
from experiments.runs.files import new_file, write_atomic
from experiments.runs.progress import said
from experiments.runs.tables import number, numbers
from nas_space.errors import InputError
from nas_space.latency import LatencyTable, all_operators

if TYPE_CHECKING:
    from experiments.benchmark.table_check import TableAccuracy


@dataclass(kw_only=True)
class Options(TableOptions):
    """Options of ``ssr-nas latency``.

    Args:
        engine: what runs the networks: onnxruntime, openvino, or both, onnxruntime,openvino.
        precision: fp32, int8 (quantised after training, on noise), or both.
        threads: threads of the engine, such as 1, or 1,2 for a table of each. With one, processor time is measured,
            which other processes hardly disturb.
        rounds: quiet turns of each network in a pass; there are two passes, and a third where these disagree.
        again: measure, also where the cache holds such a table.
        out: write the table to this new file as well.
        check: export and time this many random networks, and compare.
        table: check this table instead of measuring one; everything that it was measured with is then the table's.
    """

    engine: list[str] = field(default_factory=lambda: ["onnxruntime"])
    precision: list[str] = field(default_factory=lambda: ["fp32"])
    threads: list[int] = field(default_factory=lambda: [1])
    rounds: int = ROUNDS
    again: bool = False
    out: str | None = None
    check: int = 0
    table: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Measure tables or read one, print them, check them if asked; return the making and the accuracy of each."""
    from experiments.runs.environment import processor_name

    start = time.perf_counter()
    for key, least in (("rounds", 1), ("check", 0)):
        if getattr(options, key) < least:
            raise InputError(f"{key}: {getattr(options, key)} must be at least {least}")
    if options.check == 1:
        raise InputError("check: a rank correlation needs at least 2 networks")
    rows = []
    for file, table in _tables(options):
        from experiments.latency.wording import describe_table

        print(describe_table(table))
        keys = ("engine", "precision", "threads", "device", "head", "date", "fixed_ms")
        row = {"file": file, **{key: getattr(table, key) for key in keys}}
        row["operators"] = len(table.widths) * len(all_operators(table.space))
        if options.check:
            from experiments.benchmark.table_check import check_table

            if table.device != processor_name():
                print(f"measured on {table.device}, checked on {processor_name()}: only the ranks can be compared")
            with _bar() as bar:
                accuracy = check_table(table, options.check, progress=bar.set_description_str)
            print(_format_accuracy(accuracy))
            row |= accuracy.summary()
        rows.append(row)
    if len(rows) > 1 and options.check:
        print(_format_summary(rows))
    return {"tables": rows, "seconds": time.perf_counter() - start}


def _tables(options: Options) -> Iterator[tuple[str | None, LatencyTable]]:
    """Each table that is asked for, and its file; none is measured before all options are found to be good."""
    from experiments.latency.cache import find_table

    if options.table is not None:
        yield options.table, _read(options, options.table)
        return
    for key in ("engine", "precision", "threads"):
        if not getattr(options, key):
            raise InputError(f"{key}: give at least one")
    wanted = [options.wanted(*how) for how in itertools.product(options.engine, options.precision, options.threads)]
    if options.out is not None and len(wanted) > 1:
        raise InputError(f"--out {options.out}: holds one table, not {len(wanted)}; leave it out, they are kept")
    with new_file(options.out) as out:
        for one in wanted:
            with _bar() as bar:

                def shown(done: int, of: int) -> None:
                    bar.set_description_str(f"{done} of {of} measurements")

                progress = said("latency table", print) if bar.disable else shown
                table = find_table(one, print, options.rounds, options.again, progress)
            file = str(one.file())
            if out is not None:
                write_atomic(out, table.to_json(), new=True)
                file = str(out)
                print(f"table  {file}")
            yield file, table


@contextmanager
def _bar() -> Iterator[Any]:
    from tqdm import tqdm

    with tqdm(total=0, bar_format="{desc}", leave=False, disable=None) as bar:
        yield bar


def _read(options: Options, file: str) -> LatencyTable:
    """The table in ``file``; options that contradict it are refused."""
    table, default = LatencyTable.load(file), Options()
    for key in ("size", "classes", "head", "pixels", "resize", "argmax", "engine", "precision", "threads"):
        given, measured = getattr(options, key), getattr(table, key)
        measured = "{}x{}".format(*measured) if key == "size" else measured
        is_measured = given in (measured, [measured]) or key == "head" and table.space.head_named(given) == measured
        if given != getattr(default, key) and not is_measured:
            fix = "leave the option out, or measure another table"
            shown = ",".join(map(str, given)) if isinstance(given, list) else given
            raise InputError(f"--{key} {shown}: {file} was measured with {measured}; {fix}")
    if options.space != default.space:
        try:
            table.check(options.space.resolve(), table.size)
        except InputError as error:
            raise InputError(f"{file}: {error}") from None
    return table


def _format_accuracy(accuracy: "TableAccuracy") -> str:
    times = sorted(network.measured_ms for network in accuracy.networks)
    spread = " to ".join(numbers([times[0], times[-1]], 3))
    return (
        f"{len(times)} random networks, exported, took {spread} ms; rank correlation with that: "
        f"predicted latency {accuracy.rank_correlation:.3f}, MACs {accuracy.rank_correlation_macs:.3f}\n"
        f"median relative error of the prediction {number(100 * accuracy.median_relative_error, 1)} %, "
        f"predicted over measured {accuracy.median_ratio:.3f}; relative to baseline1, error "
        f"{number(100 * accuracy.median_error_beside_reference, 1)} %\n"
        f"meanwhile others kept {accuracy.busy_cores:.2f} cores busy"
    )


def _format_summary(rows: list[dict[str, Any]]) -> str:
    """All checked tables, one a row, ready for a Markdown file."""
    lines = [
        "",
        "| engine | precision | threads | rank correlation | of MACs | median error | predicted over measured | busy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        figures = (f"{row[key]:.3f}" for key in ("rank_correlation", "rank_correlation_macs"))
        cells = [row["engine"], row["precision"], row["threads"], *figures]
        error = f"{100 * row['median_relative_error']:.1f} %"
        cells += [error, f"{row['median_ratio']:.3f}", f"{row['busy_cores']:.2f}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)
