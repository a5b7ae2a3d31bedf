"""A choice of three candidates as a triangle: each corner is a decision, the centre is undecided."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from experiments.report.figures import INK

Floats = npt.NDArray[np.float64]
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])


def to_plane(probabilities: Floats) -> Floats:
    """Where probabilities ``(..., 3)`` of sum 1 lie in the triangle: ``(..., 2)``, the corners being ``CORNERS``."""
    return np.asarray(probabilities @ CORNERS)


def inner_points(steps: int, margin: float = 0.25) -> Floats:
    """A regular grid of the open triangle: probabilities ``(points, 3)``, none of them 0.

    Args:
        steps: intervals along an edge.
        margin: distance of the outermost points from the edge, in intervals.
    """
    places = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return (np.array(places, float) + margin) / (steps + 3 * margin)


def draw_triangle(axes: Axes, names: Sequence[str]) -> None:
    """The edges, and a name at each corner."""
    around = CORNERS[[0, 1, 2, 0]]
    axes.plot(around[:, 0], around[:, 1], color=INK, linewidth=1)
    places: tuple[tuple[str, str], ...] = (("right", "top"), ("left", "top"), ("center", "bottom"))
    for corner, name, (across, down) in zip(CORNERS, names, places, strict=True):
        text = axes.text(corner[0], corner[1], f" {name} ", fontsize=9, color=INK)
        text.set(horizontalalignment=across, verticalalignment=down)
    axes.set(aspect="equal", xlim=(-0.12, 1.12), ylim=(-0.12, 1.0))
    axes.set_axis_off()
