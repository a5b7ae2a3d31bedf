"""Measure networks side by side in an engine, as exported.

Each network is exported as a user would export it, opened in a process of its own, and timed in turns with the others,
one image per call. The whole set-up is printed, with the one command that repeats the measurement.
"""

import itertools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.benchmark.networks.options import Baselines
from experiments.options.groups import parse_size
from experiments.options.leaves import WHOLE
from experiments.runs.columns import LATENCY
from experiments.runs.files import new_file, write_json
from experiments.runs.names import visible
from experiments.runs.progress import status
from experiments.runs.tables import counted, number, numbers
from nas_space.errors import InputError

if TYPE_CHECKING:
    from experiments.benchmark.networks.timing import NetworkTiming


@dataclass
class Options:
    """Options of ``ssr-nas benchmark``.

    Args:
        arch: the network: an architecture.json, a run folder, a model.safetensors, baseline1, baseline2, erfnet,
            lraspp_mobilenet_v3_large, or an ONNX file; or baseline2@20ms, @2.6G (MACs), @0.5M (parameters): the
            largest scaled baseline within that bound; or baseline2@NETWORK: the largest that takes no longer than that
            network.
        against: networks to compare it with; may be given again.
        engine: torch, compile (torch.compile), onnxruntime, openvino, ncnn or litert.
        size: image size HEIGHTxWIDTH in pixels.
        precision: fp32, int8 (quantised after training), or both, fp32,int8. ONNX files are run as they are.
        threads: threads of the engine; all cores that may be used if absent.
        rounds: how often all networks take their turn.
        calls: timed calls of a turn.
        warmup: untimed calls of each network before the first round.
        classes: classes of networks without trained weights; absent, those of the first trained one, or 19.
        head: of networks of this toolkit without trained weights: aggregation (that of retrain), or that of a search
            (encoder, fusion); absent, that of a search, and for baselines that of the first file. Of a search's trained
            weights, aggregation takes none.
        space: of baseline1 and baseline2.
        device: cpu, or cuda for torch and compile.
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
    head: str | None = None
    space: Baselines = field(default_factory=Baselines)
    device: str = "cpu"
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Measure, print a table, and return the set-up, the command that repeats it, and each network's figures."""
    with new_file(options.out) as out:
        return _run(options, out)


def _run(options: Options, out: Path | None) -> dict[str, Any]:
    from experiments.benchmark.networks.machine import conditions, describe_conditions
    from experiments.benchmark.networks.networks import describe_baselines, find_networks
    from experiments.benchmark.networks.scaled import Scaler
    from experiments.benchmark.networks.timing import Entry, make_setup, measure

    size = parse_size(options.size)
    setup = make_setup(options.engine, options.threads, options.device, options.rounds, options.calls, options.warmup)
    if not options.precision:
        raise InputError("precision: choose fp32, int8, or both")
    precisions = list(dict.fromkeys(options.precision))
    scaler = Scaler(size, setup.engine, setup.threads, setup.device, precisions[0])
    networks = find_networks(
        [options.arch, *options.against], options.space.preset, options.classes, scaler, options.head
    )
    pairs = itertools.product(precisions, networks)  # an ONNX file is run as it is, once
    entries = [Entry(one, precision) for precision, one in pairs if one.onnx is None or precision == precisions[0]]
    with status() as tell:
        timings, others = measure(entries, size, setup, tell)
    command = repeat_command(options, setup.threads)
    measured_with = {**conditions(setup, others), "size": options.size, "command": command}
    rows = [summary(timing, timings) for timing in timings]
    result = {**measured_with, "networks": rows}
    if out is not None:
        seconds = [{**row, "seconds": timing.seconds.tolist()} for row, timing in zip(rows, timings, strict=True)]
        write_json(out, {**result, "networks": seconds}, new=True)
    print(describe_conditions(measured_with))
    turns = f"{counted(setup.rounds, 'round')} of {counted(setup.calls, 'call')}"
    print(f"{turns}, networks in turns, each in a process of its own")
    print("; ".join(filter(None, (options.size, ", ".join(options.precision), describe_baselines(networks)))))
    print(f"\n{_table(rows)}\n\nto repeat it: {command}")
    if out is not None:
        print(f"written  {out}")
    return result


def repeat_command(options: Options, threads: int) -> str:
    """The command line that measures the same again, without where the result is written."""
    given, defaults = _flat(replace(options, threads=threads, out=None)), _flat(Options(options.arch))
    words = ["ssr-nas", "benchmark"]
    for key, value in given.items():
        if value is None or (value == defaults[key] and key not in ("arch", "engine", "size", "threads")):
            continue
        for item in value if key == "against" else [",".join(value) if isinstance(value, list) else value]:
            words += [f"--{key}", str(item)]
    return shlex.join(words)


def _flat(options: Options) -> dict[str, Any]:
    return {**vars(options), "space": None, "space.preset": options.space.preset}


def summary(timing: "NetworkTiming", others: "Sequence[NetworkTiming]") -> dict[str, Any]:
    """What is said of one network.

    Args:
        timing: of the network, in one precision.
        others: all that took turns with it, itself too.

    Returns:
        ``ratio``: first network's time, in this precision, over this one's; ``ratio_to_fp32``: over this one's in fp32.
    """
    from experiments.benchmark.networks.machine import describe_batch_norms
    from experiments.benchmark.networks.statistics import latency, ratio

    network, precision = timing.entry.network, timing.entry.precision
    by_entry = {(id(one.entry.network), one.entry.precision): one for one in reversed(others)}
    first = by_entry.get((id(others[0].entry.network), precision), others[0])
    float32 = None if precision == "fp32" else by_entry.get((id(network), "fp32"))
    to_first = ratio(first.seconds, timing.seconds)
    to_fp32 = None if float32 is None else ratio(timing.seconds, float32.seconds)
    return {
        "name": network.name,
        "precision": "as in the file" if network.onnx else precision,
        "trained": network.trained,
        **latency(timing.seconds)._asdict(),
        "ratio": to_first.median,
        "ratio_spread": [to_first.low, to_first.high],
        "ratio_to_fp32": to_fp32 and to_fp32.median,
        "ratio_to_fp32_spread": to_fp32 and [to_fp32.low, to_fp32.high],
        **{key: getattr(timing, key) for key in ("peak_memory_mb", "idle_memory_mb", "load_s")},
        "output": list(timing.output),
        "file": timing.file,
        "file_mb": timing.file_mb,
        "batch_norms": describe_batch_norms(timing),
    }


def _table(rows: Sequence[dict[str, Any]]) -> str:
    from experiments.benchmark.networks.machine import align_columns

    columns = ["network", LATENCY.name, "quiet ms", "p95 ms", "p99 ms", "FPS", "peak MiB", "output", "batch norms"]
    lines = [[*columns, f"{visible(Path(rows[0]['name']).name)} takes", ""]]
    keys = {"median_ms": 2, "quiet_ms": 2, "p95_ms": 2, "p99_ms": 2, "fps": 1, "peak_memory_mb": 0}
    texts = {key: numbers([row[key] for row in rows], decimals) for key, decimals in keys.items()}
    for place, row in enumerate(rows):
        low, high = row["ratio_spread"]
        output = "x".join(map(str, row["output"][1:]))
        ratio, spread = number(row["ratio"], 3), " to ".join(numbers([low, high], 3))
        against = "" if low == high == 1.0 else f"{ratio} of its time ({spread})"
        gain = "" if row["ratio_to_fp32"] is None else f"{number(row['ratio_to_fp32'], 3)} of its fp32 time"
        name = f"{visible(row['name'])} ({row['precision']})"
        lines.append([name, *(texts[key][place] for key in keys), output, row["batch_norms"], against, gain])
    return align_columns(lines)
