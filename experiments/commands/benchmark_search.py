"""Time one iteration of a search against NNI's DARTS.

Each side searches in a process of its own, and rounds alternate while the other side waits. Printed are medians over
the rounds with the lowest and highest; nothing is trained to an end, and no data is needed.
"""

import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from experiments.benchmark.search.child import Problem
from experiments.benchmark.search.rounds import measure_sides
from experiments.options.device import resolve_device, resolve_precision
from experiments.options.groups import SpaceOptions, check_seed, parse_size
from experiments.runs.decoration import decoration
from experiments.runs.files import new_file, write_atomic
from experiments.runs.tables import counted, number, numbers
from nas_space.config import check_size
from nas_space.errors import InputError


@dataclass
class Options:
    """Options of ``ssr-nas benchmark search``.

    Args:
        space: the space that both sides search.
        size: image size HEIGHTxWIDTH in pixels.
        batch: images per batch; an iteration takes two batches.
        classes: classes of the segmentation.
        precision: 32 or bf16, of both sides.
        device: auto, cpu or cuda.
        rounds: how often both sides are timed; medians count.
        steps: iterations per round.
        seed: of weights, images and the candidates that leave.
        out: also draw a figure into this PNG file.
    """

    space: SpaceOptions = field(default_factory=lambda: SpaceOptions(preset="paper"))
    size: str = "128x256"
    batch: int = 2
    classes: int = 19
    precision: str = "32"
    device: str = "auto"
    rounds: int = 5
    steps: int = 2
    seed: int = 0
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Measure, print a table, draw the figure; return the figures as ``--json`` prints them."""
    problem = _checked(options)
    with new_file(options.out) as out:
        return _run(options, problem, out)


def _run(options: Options, problem: Problem, out: Path | None) -> dict[str, Any]:
    from experiments.runs.environment import versions

    report = partial(print, "measuring", file=sys.stderr)
    result = measure_sides(problem, options.rounds, options.steps, report)
    result |= {key: getattr(options, key) for key in ("size", "batch", "precision", "rounds", "steps")} | {
        "space": options.space.preset,
        "search": list(problem.space.search),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "versions": versions(),
    }
    print(_format_tables(result))
    if out is not None:
        with decoration(f"the figure {out}"):
            from experiments.benchmark.search.figure import benchmark_figure
            from experiments.report.figures import png

            write_atomic(out, png(benchmark_figure(result)), new=True)
            print(f"figure  {out}")
    return result


def _checked(options: Options) -> Problem:
    space, size = options.space.resolve(), parse_size(options.size)
    check_size("size", size, len(space.widths))
    if not space.search:
        raise InputError("space.search: nothing is searched; give a dimension")
    for key, least in (("batch", 2), ("classes", 1), ("rounds", 1), ("steps", 1)):
        if getattr(options, key) < least:
            raise InputError(f"{key}: {getattr(options, key)} must be at least {least}")
    check_seed(options.seed)
    resolve_precision(options.precision)
    device = resolve_device(options.device)
    return Problem(space, size, options.batch, options.classes, options.precision, device, options.seed)


def _format_tables(result: dict[str, Any]) -> str:
    memory, images, use, macs = (result[key] for key in ("peak_memory_mib", "images_per_s", "mac_utilisation", "macs"))
    peak = f"of {result['convolution_peak_macs_per_s'] / 1e9:.0f} GMAC/s"
    rows = [
        ("one bi-level iteration (s)", result["ours_s"], result["nni_s"], _ratio(result, " times faster")),
        ("peak memory (MiB)", memory["ours"], memory["nni"], f"{result['peak_memory_ratio']:.2f} of it"),
        ("images a second", images["ours"], images["nni"], ""),
        ("MACs of an iteration (G)", macs["ours"] / 1e9, macs["nni"] / 1e9, ""),
        ("MAC utilisation (%)", 100 * use["ours"], 100 * use["nni"], peak),
    ]
    texts = [(name, *numbers([ours, nni], 3), remark) for name, ours, nni, remark in rows]
    tools = result["versions"]
    turns = f"{counted(result['rounds'], 'round')} of {counted(result['steps'], 'iteration')}"
    lines = [
        f"space {result['space']} ({', '.join(result['search'])})",
        f"batch {result['batch']} at {result['size']}, precision {result['precision']}",
        f"{result['device']}, torch {tools['torch']}, NNI {tools['nni']} ({result['nni_layout']}), {result['date']}",
        f"{turns}, medians (lowest to highest round)",
        "",
        f"  {'':<28}{'ours':>10}{'NNI':>10}",
        *(f"  {name:<28}{ours:>10}{nni:>10}  {remark}".rstrip() for name, ours, nni, remark in texts),
        "",
        f"  {'candidates alive':<28}{'ours (s)':>10}{'GMACs':>10}  NNI's seconds, which keeps all, over ours",
    ]
    for row in result["shrinking"]:
        share = f"{100 * row['share']:g} % ({'/'.join(map(str, row['alive'].values()))})"
        lines.append(f"  {share:<28}{number(row['ours_s'], 3):>10}{number(row['macs'] / 1e9, 2):>10}  {_ratio(row)}")
    lines += ["", f"  {'image size, all alive':<28}{'ours (s)':>10}{'GMACs':>10}"]
    for row in result["pixels"]:
        lines.append(f"  {row['size']:<28}{number(row['ours_s'], 3):>10}{number(row['macs'] / 1e9, 2):>10}")
    return "\n".join(lines)


def _ratio(row: dict[str, Any], unit: str = "") -> str:
    low, high = row["ratio_spread"]
    return f"{number(row['ratio'], 2)}{unit} ({number(low, 2)} to {number(high, 2)})"
