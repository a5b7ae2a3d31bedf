"""Searching and retraining side by side, and what the cut between them costs (SSR paper, Figure 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.report.colours import SERIES
from experiments.report.figures import INK, style
from experiments.report.lettering import drawable, letter

if TYPE_CHECKING:
    import pandas as pd

SEARCH, CUT, TRAINED = SERIES[0], SERIES[1], SERIES[2]
BESIDE = 3
"""Most searches in a line."""


@dataclass(frozen=True)
class SearchAndTraining:
    """One search, and the training of its network from scratch.

    Args:
        name: of the search.
        search: its ``metrics.csv``: ``epoch``, ``miou`` (a fraction), ``val_loss``.
        miou: of the super-network at the end and of the network cut out of it, fractions.
        loss: of both.
        training: the training's ``metrics.csv`` with the same columns; None where there is none.
    """

    name: str
    search: "pd.DataFrame"
    miou: tuple[float, float]
    loss: tuple[float, float]
    training: "pd.DataFrame | None"


def cut_figure(searches: Sequence[SearchAndTraining]) -> Figure:
    """A column for each search: validation mIoU above, validation loss below, by epoch.

    There are at most three in a line; all have the same scales.
    """
    blocks = ceil(len(searches) / BESIDE)
    columns = ceil(len(searches) / blocks)
    figure = Figure(figsize=(max(4.0 * columns, 5.0), 0.4 + 4.4 * blocks), layout="constrained")
    above: list[Axes] = []
    below: list[Axes] = []
    for place in range(len(searches)):
        row, column = divmod(place, columns)
        for axes, line in ((above, 2 * row), (below, 2 * row + 1)):
            scale = axes[0] if axes else None
            axes.append(figure.add_subplot(2 * blocks, columns, line * columns + column + 1, sharey=scale))
            axes[-1].tick_params(labelleft=column == 0)
    names = drawable([one.name for one in searches])
    for one, name, of_miou, of_loss in zip(searches, names, above, below, strict=True):
        percent = 100 * one.miou[0], 100 * one.miou[1]
        _draw(of_miou, one, "miou", 100.0, percent, signed(percent[1] - percent[0], 1))
        _draw(of_loss, one, "val_loss", 1.0, one.loss, signed(one.loss[1] - one.loss[0], 2))
        style(of_miou, "", "epoch", "y")
        style(of_loss, "", "epoch", "y")
        letter(of_miou.set_title("", fontsize=10, loc="left"), name)
    for of_miou, of_loss in zip(above[::columns], below[::columns], strict=True):
        of_miou.set_ylabel("validation mIoU (%)", fontsize=9)
        of_loss.set_ylabel("validation loss", fontsize=9)
    with_training = next((place for place, one in enumerate(searches) if one.training is not None), 0)
    figure.legend(
        *above[with_training].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    return figure


def signed(change: float, digits: int) -> str:
    """A change with its sign; one that is nothing at these digits after the point is ``+0.0``."""
    return f"{round(change, digits) + 0.0:+.{digits}f}"  # -0.0 + 0.0 is 0.0


def _draw(axes: Axes, one: SearchAndTraining, column: str, scale: float, cut: tuple[float, float], change: str) -> None:
    """The search, the fall at its end with its size beside it, and the training."""
    rows = one.search.dropna(subset=[column])
    end = one.search["epoch"].iloc[-1]
    axes.plot(rows["epoch"], scale * rows[column], color=SEARCH, linewidth=2, label="search")
    axes.plot([end, end], cut, "-o", color=CUT, linewidth=2.5, markersize=5, label="the cut")
    axes.annotate(change, (end, cut[1]), xytext=(6, 0), textcoords="offset points", fontsize=9, color=INK, va="center")
    if one.training is not None:
        trained = one.training.dropna(subset=[column])
        look: dict[str, Any] = {"color": TRAINED, "linestyle": "--", "marker": "s", "markersize": 3}
        axes.plot(trained["epoch"], scale * trained[column].astype(float), linewidth=2, label="retraining", **look)
    axes.margins(x=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.tick_params(labelsize=9)
