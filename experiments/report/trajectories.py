"""How the probabilities of three candidates move, and how candidates leave (SSR paper, Figure 4)."""

from itertools import permutations

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.report.colours import series
from experiments.report.figures import GREY, INK
from experiments.report.simplex import Floats, draw_triangle, to_plane
from strategies import regularizers
from strategies.regularizers import Regularizer
from strategies.relaxation import SigmoidNormalised
from strategies.shrinking import retaining_ratio

LOSSES: dict[str, Regularizer] = {
    "SSR": regularizers.ssr,
    "entropy": regularizers.information_entropy,
    "no regularizer": regularizers.none,
}
STEPS, EVERY = 150, 10
"""Steps of a descent, and how many of them lie between two dots."""
TASK = torch.tensor(sorted(set(permutations((0.0, 0.01, 0.06)))), dtype=torch.float64)
"""How bad each candidate is for the task, ``(descents, 3)``."""


def descend(
    regularizer: Regularizer,
    task: Tensor = TASK,
    steps: int = STEPS,
    lr: float = 0.5,
    rho: float = 0.3,
    h: float = 0.1,
) -> Floats:
    """Plain gradient descent of ``sum task p + rho L(p)`` on the logits of choices that begin undecided.

    After every step each candidate whose probability is at most ``h`` times the highest one leaves.

    Args:
        regularizer: L, of ``strategies.regularizers``.
        task: what each candidate adds to the loss of the task, ``(choices, candidates)`` float64.
        steps: how many.
        lr: their size.
        rho: weight of the regularizer.
        h: threshold on the retaining ratio.

    Returns:
        Probabilities ``(steps + 1, choices, candidates)``, the first ones all equal; exactly 0 for who has left.
    """
    relaxation, alive, logits = SigmoidNormalised(), torch.ones_like(task, dtype=torch.bool), torch.zeros_like(task)
    path = [relaxation.weights(logits, alive)]
    for _ in range(steps):
        logits = logits.requires_grad_()
        log_p = relaxation.log_probabilities(logits, alive)
        loss = (task * log_p.exp() * alive).sum() + rho * regularizer(log_p, logits, alive).sum()
        (gradient,) = torch.autograd.grad(loss, logits)
        logits = logits.detach() - lr * gradient
        alive = alive & (retaining_ratio(relaxation.log_probabilities(logits, alive), alive) > h)
        logits = relaxation.rescale(logits, alive)
        path.append(relaxation.weights(logits, alive))
    return torch.stack(path).numpy()


def shrinking_figure() -> Figure:
    """Descents of several tasks under each loss: a dot each ``EVERY`` steps, a cross where a candidate leaves."""
    figure = Figure(figsize=(8.0, 2.9), layout="constrained")
    for axes, (title, regularizer) in zip(figure.subplots(1, len(LOSSES)), LOSSES.items(), strict=True):
        path = descend(regularizer)
        plane, left = to_plane(path), np.diff((path > 0).sum(-1), axis=0) < 0
        draw_triangle(axes, ("1", "2", "3"))
        axes.plot(*plane[0, 0], "o", color=GREY, markersize=9, zorder=1)
        for number in range(path.shape[1]):
            points, look = plane[:, number], series(number)
            axes.plot(points[:, 0], points[:, 1], linewidth=1.4, **look)
            axes.plot(points[::EVERY, 0], points[::EVERY, 1], "o", color=look["color"], markersize=3)
            gone = points[:-1][left[:, number]]
            axes.plot(gone[:, 0], gone[:, 1], "x", color=look["color"], markersize=7, markeredgewidth=2)
        decided = sum(bool(one) for one in (path[-1] == 1).any(-1))
        axes.set_title(f"{title}: {decided} of {path.shape[1]} decided", fontsize=10, color=INK)
    return figure
