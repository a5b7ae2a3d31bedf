"""The figure of a fit: networks by latency and score."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.report.figures import GREY, LEVELS, style
from experiments.report.lettering import TEXT, WIDTH, drawable, letter
from experiments.report.pareto import front


def latency_figure(rows: Sequence[Mapping[str, Any]], targets: Sequence[float]) -> Figure:
    """Networks by latency and score of a race, those without a dominating one as a line, the delivered ones as stars.

    Args:
        rows: one a network, with ``name``, ``ms``, ``race`` (mIoU, a fraction), ``is_hand_made`` and ``is_delivered``.
            Those without a time or a score are left out.
        targets: milliseconds that were asked for, as dotted lines.
    """
    figure = Figure(figsize=(WIDTH, 4), layout="constrained")
    axes = figure.subplots()
    shown = [row for row in rows if row["ms"] is not None and row["race"] is not None]
    best = [one for one, is_best in zip(shown, front(shown, cost="ms", better="race"), strict=True) if is_best]
    best.sort(key=lambda row: row["ms"])
    axes.plot([row["ms"] for row in best], [100 * row["race"] for row in best], color=GREY, zorder=1)
    names = drawable([row["name"] for row in shown])
    for row, name in zip(shown, names, strict=True):
        marker, size = ("*", 15) if row["is_delivered"] else ("o", 7)
        color = LEVELS["operator"] if row["is_hand_made"] else LEVELS["width"]
        axes.plot(row["ms"], 100 * row["race"], marker, color=color, markersize=size)
        text = axes.annotate(
            "", (row["ms"], 100 * row["race"]), xytext=(6, 5), textcoords="offset points", fontsize=TEXT
        )
        letter(text, name)
    for target in targets:
        axes.axvline(target, color=GREY, linewidth=1, linestyle=":")
    found, made = LEVELS["width"], LEVELS["operator"]
    handles = [Patch(facecolor=found, label="found"), Patch(facecolor=made, label="hand-made")]
    axes.legend(handles=handles, frameon=False, fontsize=TEXT)
    style(axes, "mIoU of round 1 (%), on training images held out", "latency (ms)", "both")
    return figure
