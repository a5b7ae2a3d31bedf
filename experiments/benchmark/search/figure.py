"""The figure of a benchmark: seconds of an iteration against the work that it counts."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.figures import INK, LEVELS, PALE

OURS, NNI = LEVELS["depth"], LEVELS["operator"]


def benchmark_figure(result: Mapping[str, Any]) -> Figure:
    """Seconds an iteration by survivors, by counted MACs of the survivors, and by pixels.

    Args:
        result: as ``experiments.benchmark.search.rounds.measure_sides`` returns it.
    """
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    shrinking = result["shrinking"]
    shares = [100 * row["share"] for row in shrinking]
    left.plot(shares, [row["nni_s"] for row in shrinking], "o-", color=NNI, label="NNI's DARTS, which keeps all")
    left.plot(shares, [row["ours_s"] for row in shrinking], "o-", color=OURS, label="ours")
    for row in shrinking:
        place = (100 * row["share"], row["ours_s"])
        left.annotate(f"{row['ratio']:.1f}x", place, xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8)
    left.invert_xaxis()
    left.legend(frameon=False, fontsize=8)
    _format_axes(left, "as the space shrinks", "candidates alive (%)")
    for axes, rows, kind in ((middle, shrinking, "survivors"), (right, result["pixels"], "pixels")):
        for row in rows:
            place = (row["macs"] / 1e9, row["ours_s"])
            axes.plot(*place, "o", color=OURS)
            name = row.get("size") or f"{100 * row['share']:g} %"
            axes.annotate(name, place, xytext=(6, -3), textcoords="offset points", fontsize=8)
        largest = max(rows, key=lambda row: row["macs"])
        axes.plot([0, largest["macs"] / 1e9], [0, largest["ours_s"]], ":", color=INK, linewidth=1)
        axes.set_xlim(left=0, right=1.15 * largest["macs"] / 1e9)
        _format_axes(axes, f"work of the {kind} (dotted: in proportion)", "GMACs of an iteration, counted")
    left.set_ylabel("seconds an iteration")
    return figure


def _format_axes(axes: Axes, title: str, label: str) -> None:
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.set_xlabel(label, fontsize=9)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=PALE)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
