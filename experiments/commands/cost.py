"""Tell parameters, MACs and FPS of networks in a table.

Parameters, multiply-accumulates, and images a second at several sizes.

Operations are counted, images a second measured: at each size all networks take turns, each exported and in a process
of its own, as in ``ssr-nas benchmark``.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.benchmark.networks.options import Baselines
from experiments.options.groups import parse_size
from experiments.options.leaves import WHOLE
from experiments.runs.progress import status
from experiments.runs.tables import counted, new_table, write_table
from nas_space.errors import InputError

SIZES = ("512x1024", "768x1536", "1024x2048", "360x480", "360x640")
"""Of Cityscapes, CamVid and BDD100K in the SSR paper's Tables 9 to 11."""


@dataclass
class Options:
    """Options of ``ssr-nas cost``.

    Args:
        networks: each an architecture.json, a run folder, a model.safetensors, baseline1, baseline2, erfnet,
            lraspp_mobilenet_v3_large, an ONNX file; or baseline2@20ms, @2.6G (MACs), @0.5M (parameters): the largest
            scaled baseline within that bound, at the first size; or baseline2@NETWORK: no slower than that network.
        sizes: image sizes HEIGHTxWIDTH in pixels.
        fps: measure images a second; false only counts, with no engine.
        engine: torch, compile (torch.compile), onnxruntime, openvino, ncnn or litert.
        precision: fp32 or int8 (quantised after training). ONNX files are run as they are.
        threads: threads of the engine; all cores that may be used if absent.
        rounds: how often all networks take their turn at a size.
        calls: timed calls of a turn.
        warmup: untimed calls of each network before the first round.
        classes: classes of networks without trained weights; absent, those of the first trained one, or 19.
        head: of networks of this toolkit without trained weights: aggregation (that of retrain), or that of a search
            (encoder, fusion); absent, that of a search, and for baselines that of the first file. Of a search's trained
            weights, aggregation takes none.
        space: of baseline1 and baseline2.
        device: cpu, or cuda for torch and compile.
        out: write the table to this new file, .md, .csv or .json.
    """

    POSITIONAL = "networks"
    networks: list[str] = field(default_factory=lambda: ["baseline1", "baseline2"], metadata=WHOLE)
    sizes: list[str] = field(default_factory=lambda: list(SIZES))
    fps: bool = True
    engine: str = "onnxruntime"
    precision: str = "fp32"
    threads: int | None = None
    rounds: int = 10
    calls: int = 3
    warmup: int = 3
    classes: int | None = None
    head: str | None = None
    space: Baselines = field(default_factory=Baselines)
    device: str = "cpu"
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Count, measure, print the table; return its rows, notes on what is missing, and how each size was measured."""
    with new_table(options.out) as out:
        return _run(options, out)


def _run(options: Options, out: Path | None) -> dict[str, Any]:
    import pandas as pd

    from experiments.benchmark.networks.cost_table import MACS_NOTE, cost_rows, group_by_size, readable_table
    from experiments.benchmark.networks.machine import describe_conditions
    from experiments.benchmark.networks.networks import describe_baselines, find_networks
    from experiments.benchmark.networks.scaled import Scaler
    from experiments.benchmark.networks.timing import make_setup
    from experiments.report.markdown import markdown

    if not options.networks or not options.sizes:
        raise InputError("networks, sizes: give at least one of each")
    how = (options.engine, options.threads, options.device, options.rounds, options.calls, options.warmup)
    setup = make_setup(*how) if options.fps else None
    sizes = list(dict.fromkeys(parse_size(size) for size in options.sizes))
    names = list(dict.fromkeys(options.networks))
    scaler = Scaler(sizes[0], options.engine, options.threads, options.device, options.precision)
    networks = find_networks(names, options.space.preset, options.classes, scaler, options.head)
    by_size, missing = group_by_size(networks, sizes, options.precision, setup)
    with status() as tell:
        rows, measured, uncounted = cost_rows(by_size, options.precision, setup, tell)
    rows.sort(key=lambda row: names.index(row["network"]))
    table = pd.DataFrame(rows)
    text, notes = markdown(readable_table(table)), [*missing, *uncounted]
    result = {"networks": rows, "precision": options.precision, "notes": notes, "measured": measured}
    if out is not None:
        write_table(out, text, table, result)
    if setup is not None:
        turns = f"{counted(setup.rounds, 'round')} of {counted(setup.calls, 'call')}"
        print(f"{describe_conditions(measured[0])}\n{options.precision}, {turns}")
    print(f"{describe_baselines(networks)}\n")
    loaded = [f"{one['size']}: {one['warning']}" for one in measured[1:] if one["warning"]]
    print("\n".join([text, MACS_NOTE, *notes, *loaded]))
    return result
