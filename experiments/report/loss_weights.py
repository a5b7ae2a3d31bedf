"""What the weight of the regularizer on each level does, one level at a time (SSR paper, Figure 7)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from experiments.report.colours import SERIES
from experiments.report.figures import GREY, INK, style
from strategies.alive import LEVELS


@dataclass(frozen=True)
class Weighted:
    """One search.

    Args:
        rho: weight of the regularizer on depth, operators and widths.
        miou: of the found network, a fraction.
        discrete: whether the search ended discrete by itself.
    """

    rho: tuple[float, float, float]
    miou: float
    discrete: bool


def one_level_apart(searches: Sequence[Weighted]) -> tuple[tuple[float, float, float], dict[str, list[Weighted]]]:
    """The weights in the middle, and for each level the searches that differ from them in that level alone.

    Returns:
        The weights from which most searches differ in one level at most, and by level these searches in ascending
        order, those of the middle itself among them.
    """

    def levels_apart(first: Weighted, rho: tuple[float, float, float]) -> list[int]:
        return [level for level in range(len(LEVELS)) if first.rho[level] != rho[level]]

    near = Counter({one.rho: sum(len(levels_apart(other, one.rho)) < 2 for other in searches) for one in searches})
    middle = near.most_common(1)[0][0]
    rows = {
        name: sorted((one for one in searches if set(levels_apart(one, middle)) <= {level}), key=lambda one: one.rho)
        for level, name in enumerate(LEVELS)
    }
    return middle, rows


def loss_weights_figure(searches: Sequence[Weighted]) -> Figure:
    """A panel for each level: mIoU of the found networks by its weight, the mean of equal weights as a line."""
    figure = Figure(figsize=(8.0, 2.8), layout="constrained")
    middle, rows = one_level_apart(searches)
    for level, (axes, name) in enumerate(zip(figure.subplots(1, len(LEVELS), sharey=True), LEVELS, strict=True)):
        by_weight: dict[float, list[float]] = {}
        for one in rows[name]:
            by_weight.setdefault(one.rho[level], []).append(100 * one.miou)
            fill = SERIES[level] if one.discrete else "white"
            axes.plot(one.rho[level], 100 * one.miou, "o", color=SERIES[level], markerfacecolor=fill, markersize=7)
        means = [sum(values) / len(values) for values in by_weight.values()]
        axes.plot(list(by_weight), means, color=SERIES[level], linewidth=1.5, zorder=1)
        axes.axvline(middle[level], color=GREY, linewidth=1, linestyle=":", zorder=0)
        if min(by_weight) > 0:
            axes.set_xscale("log")
        axes.set_xticks(list(by_weight), [f"{weight:g}" for weight in by_weight], color=INK)
        axes.minorticks_off()
        axes.tick_params(labelsize=9)
        style(axes, name, f"weight on {name}", "y")
    figure.axes[0].set_ylabel("mIoU of the found network (%)", fontsize=9)
    return figure
