"""What the regularizers look like over the probabilities of one choice (SSR paper, Figure 3)."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments.report.colours import ORDERED, SERIES
from experiments.report.figures import style
from experiments.report.simplex import Floats, draw_triangle, inner_points, to_plane
from strategies import regularizers
from strategies.regularizers import Regularizer

LOSSES: dict[str, Regularizer] = {
    "SSR": regularizers.ssr,
    "entropy": regularizers.information_entropy,
    "zero-one L1": regularizers.zero_one_l1,
    "zero-one L2": regularizers.zero_one_l2,
}


def loss_of(regularizer: Regularizer, probabilities: Floats) -> Floats:
    """The loss of each choice ``(..., candidates)`` -> ``(...)``.

    The zero-one losses are of logits. Here the logits are those whose sigmoids are the probabilities.

    Args:
        regularizer: of ``strategies.regularizers``.
        probabilities: in (0, 1), of sum 1.
    """
    p = torch.as_tensor(probabilities, dtype=torch.float64)
    return np.asarray(regularizer(p.log(), p.logit(), torch.ones_like(p, dtype=torch.bool)).numpy())


def loss_surfaces_figure() -> Figure:
    """Each loss over a choice of two candidates, as a line, and of three, as a triangle: dark is low."""
    figure = Figure(figsize=(8.0, 4.0), layout="constrained")
    above, below = figure.subplots(2, len(LOSSES), height_ratios=(1, 1.2))
    first = np.linspace(0.004, 0.996, 249)
    points = inner_points(60)
    plane = to_plane(points)
    for place, (title, regularizer) in enumerate(LOSSES.items()):
        line, triangle = above[place], below[place]
        line.plot(first, loss_of(regularizer, np.stack((first, 1 - first), -1)), color=SERIES[0], linewidth=2)
        style(line, title, "p of the first of two", "both")
        line.set_xticks([0, 0.5, 1])
        line.tick_params(labelsize=9)
        losses = loss_of(regularizer, points)
        levels = np.linspace(np.quantile(losses, 0.05), losses.max(), 15)  # SSR has no floor
        filled = triangle.tricontourf(plane[:, 0], plane[:, 1], losses, levels=levels, cmap=ORDERED, extend="min")
        draw_triangle(triangle, ("1", "2", "3"))
        bar = figure.colorbar(filled, ax=triangle, orientation="horizontal", shrink=0.8, aspect=14)
        ends = [float(levels[0]), float(levels[-1])]
        bar.set_ticks(ends, labels=[f"{end:.1f}" for end in ends])
        bar.ax.tick_params(labelsize=9)
        triangle.set_anchor("N")
    above[0].set_ylabel("loss", fontsize=9)
    return figure
