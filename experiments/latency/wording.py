"""A latency table in words, for people. No torch."""

from collections.abc import Sequence

import numpy as np

from experiments.runs.tables import counted, number, numbers
from nas_space.config import operator_name
from nas_space.latency import LatencyTable, all_operators

SAVES_NOTHING = 0.98  # the narrowest 1x3 takes at least so much of the widest one's time


def describe_how(of: LatencyTable) -> str:
    """Precision, threads, size, head, and what else lies inside the files."""
    inside = [name for name in ("pixels", "resize", "argmax") if getattr(of, name)]
    threads = counted(of.threads, "thread")
    return ", ".join([of.precision, threads, f"{of.size[0]}x{of.size[1]}", f"{of.head} head", *inside])


def describe_clock(table: LatencyTable) -> str:
    """What the times of a table are times of."""
    engine = f"{table.engine} {table.versions.get(table.engine, '')}".strip()
    return f"{engine}, {describe_how(table)}, on {table.device}"


def describe_table(table: LatencyTable) -> str:
    """A page: how it was measured, the narrowest and the widest layer of each operator, and what saves nothing."""
    header = "".join(f"  {f'stage {stage + 1}':>15}" for stage in range(len(table.widths)))
    widths = "".join(f"  {f'{w[0]}/{w[0]} {w[-1]}/{w[-1]}':>15}" for w in table.widths)
    rows = []
    for i, operator in enumerate(all_operators(table.space)):
        pairs = (numbers([stage[i][0][0], stage[i][-1][-1]], 3) for stage in table.layers_ms)
        times = "".join(f"  {least:>7} {most:>7}" for least, most in pairs)
        rows.append(f"  {operator_name(*operator):<18}{times}")
    lines = (
        f"{describe_clock(table)}",
        f"{table.classes} classes, {table.date}",
        "",
        f"  {'milliseconds':<18}{header}",
        f"  {'3x1/1x3 widths':<18}{widths}",
        *rows,
        f"and {number(table.fixed_ms, 3)} for all else: downsamplers, head, the call",
        "networks of the space take {} to {} ms".format(*numbers(table.span(), 3)),
        *useless_widths(table),
    )
    return "\n".join(lines)


def useless_widths(table: LatencyTable) -> list[str]:
    """A line for each convolution whose narrow widths save nothing: a search for latency may keep them wide."""
    lines = []
    for name, share in zip(("3x1", "1x3"), narrow_shares(table), strict=True):
        if share >= SAVES_NOTHING:
            lines.append(f"a narrower {name} saves nothing with {table.engine}, {table.precision}")
    return lines


def narrow_shares(table: LatencyTable) -> tuple[float, float]:
    """Time with the narrowest 3x1, and with the narrowest 1x3, over that of the widest: medians over all layers."""
    grids = [np.array(grid) for operators in table.layers_ms for grid in operators]
    grids = [grid for grid in grids if grid[-1, -1] > 0 and len(grid) > 1]
    first, second = ([grid[place] / grid[-1, -1] for grid in grids] for place in ((0, -1), (-1, 0)))
    return _median(first), _median(second)


def _median(shares: Sequence[float]) -> float:
    return float(np.median(shares)) if shares else float("nan")
