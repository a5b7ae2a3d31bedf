"""Measure how long networks take in an engine, side by side, as exported.

Each network is exported as a user would export it, opened in a process of its own, and timed in turns with the others,
one image a call. The whole set-up is printed, with the one command that repeats the measurement.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments.benchmark.networks.machine import aligned, conditions, described, folding
from experiments.benchmark.networks.networks import Baselines, described_baselines, find_networks
from experiments.benchmark.networks.statistics import latency, ratio
from experiments.benchmark.networks.timing import Entry, Measured, make_setup, measure
from experiments.options.groups import parse_size
from experiments.options.leaves import WHOLE
from experiments.runs.files import check_new_file, write_json
from nas_space.errors import InputError


@dataclass
class Options:
    """Options of ``ssr-nas benchmark``.

    Args:
        arch: the network: an architecture.json, a run folder, a model.safetensors, baseline1, baseline2, erfnet,
            lraspp_mobilenet_v3_large, or an ONNX file.
        against: networks to compare it with; may be given again.
        engine: torch, compile (torch.compile), onnxruntime, openvino or tensorrt.
        size: image size HEIGHTxWIDTH in pixels.
        precision: fp32, int8 (quantised after training), or both, fp32,int8. ONNX files are run as they are.
        threads: threads of the engine; all cores that may be used if absent.
        rounds: how often all networks take their turn.
        calls: timed calls of a turn.
        warmup: untimed calls of each network before the first round.
        classes: classes of networks without trained weights; absent, those of the first trained one, or 19.
        space: of baseline1 and baseline2.
        device: cpu, or cuda for torch, compile and tensorrt.
        out: write the result, with every single time, as JSON to this new file.
    """

    arch: str
    against: list[str] = field(default_factory=list, metadata=WHOLE)
    engine: str = "onnxruntime"
    size: str = "512x1024"
    precision: list[str] = field(default_factory=lambda: ["fp32"])
    threads: int | None = None
    rounds: int = 20
    calls: int = 10
    warmup: int = 10
    classes: int | None = None
    space: Baselines = field(default_factory=Baselines)
    device: str = "cpu"
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Measure, and print a table of the networks.

    Returns:
        The set-up, the command that repeats it, and of each network its percentiles, memory and the ratio to it.
    """
    size = parse_size(options.size)
    setup = make_setup(options.engine, options.threads, options.device, options.rounds, options.calls, options.warmup)
    if not options.precision:
        raise InputError("precision: choose fp32, int8, or both")
    out = check_new_file(options.out)
    networks = find_networks([options.arch, *options.against], options.space.preset, options.classes)
    precisions = list(dict.fromkeys(options.precision))
    entries = [
        Entry(one, precision)
        for precision in precisions
        for one in networks
        if one.onnx is None or precision == precisions[0]
    ]
    with tqdm(total=0, bar_format="{desc}", leave=False, disable=None) as bar:
        measured, others = measure(entries, size, setup, bar.set_description_str)
    command = repeating(options, setup.threads)
    found = {**conditions(setup, others), "size": options.size, "command": command}
    rows = [summary(one, measured) for one in measured]
    result = {**found, "networks": rows}
    print(described(found))
    print(f"{setup.rounds} rounds of {setup.calls} calls, networks in turns, each in a process of its own")
    print("; ".join(filter(None, (options.size, ", ".join(options.precision), described_baselines(networks)))))
    print(f"\n{_table(rows)}\n\nto repeat it: {command}")
    if out is not None:
        seconds = [{**row, "seconds": one.seconds.tolist()} for row, one in zip(rows, measured, strict=True)]
        write_json(out, {**result, "networks": seconds}, new=True)
        print(f"written  {out}")
    return result


def repeating(options: Options, threads: int) -> str:
    """The command line that measures the same again, without where the result is written."""
    given = {**_flat(options), "threads": threads, "out": None}
    defaults = _flat(Options(options.arch))
    words = ["ssr-nas", "benchmark"]
    for key, value in given.items():
        if value is None or (value == defaults[key] and key not in ("arch", "engine", "size", "threads")):
            continue
        for item in value if key == "against" else [",".join(value) if isinstance(value, list) else value]:
            words += [f"--{key}", str(item)]
    return shlex.join(words)


def _flat(options: Options) -> dict[str, Any]:
    values = {item.name: getattr(options, item.name) for item in fields(options)}
    return {**values, "space": None, "space.preset": options.space.preset}


def summary(measured: Measured, run: Sequence[Measured]) -> dict[str, Any]:
    """What is said of one network.

    Args:
        measured: the network, in one precision.
        run: all that took turns with it.

    Returns:
        ``ratio`` is the time of the first network, in the same precision, over its own; ``ratio_to_fp32`` its own time
        over that in fp32.
    """
    own = run[0].entry.network, measured.entry.precision
    first = next((one for one in run if (one.entry.network, one.entry.precision) == own), run[0])
    float32 = next(
        (one for one in run if one.entry.network is measured.entry.network and one.entry.precision == "fp32"), None
    )
    against = ratio(first.seconds, measured.seconds)
    to_fp32 = (
        None if float32 is None or measured.entry.precision == "fp32" else ratio(measured.seconds, float32.seconds)
    )
    return {
        "name": measured.entry.network.name,
        "precision": "as in the file" if measured.entry.network.onnx else measured.entry.precision,
        "trained": measured.entry.network.trained,
        **latency(measured.seconds)._asdict(),
        "ratio": against.median,
        "ratio_spread": [against.low, against.high],
        "ratio_to_fp32": to_fp32 and to_fp32.median,
        "ratio_to_fp32_spread": to_fp32 and [to_fp32.low, to_fp32.high],
        "peak_memory_mb": measured.peak_memory_mb,
        "idle_memory_mb": measured.idle_memory_mb,
        "load_s": measured.load_s,
        "output": list(measured.output),
        "file": measured.file,
        "file_mb": measured.file_mb,
        "batch_norms": folding(measured),
    }


def _table(rows: Sequence[dict[str, Any]]) -> str:
    head = (
        "network",
        "median ms",
        "p5",
        "p95",
        "p99",
        "FPS",
        "peak MiB",
        "output",
        "batch norms",
        f"{Path(rows[0]['name']).name} takes",
        "",
    )
    lines = [head]
    for row in rows:
        times = (f"{row[key]:.2f}" for key in ("median_ms", "p5_ms", "p95_ms", "p99_ms"))
        against = (
            ""
            if row["ratio_spread"] == [1.0, 1.0]
            else "{:.3f} of its time ({:.3f} to {:.3f})".format(row["ratio"], *row["ratio_spread"])
        )
        gain = "" if row["ratio_to_fp32"] is None else f"{row['ratio_to_fp32']:.3f} of its fp32 time"
        output, memory = "x".join(map(str, row["output"][1:])), f"{row['peak_memory_mb']:.0f}"
        lines.append(
            (
                f"{row['name']} ({row['precision']})",
                *times,
                f"{row['fps']:.1f}",
                memory,
                output,
                row["batch_norms"],
                against,
                gain,
            )
        )
    return aligned(lines)
