"""Descents of three candidates: their gradients against the closed form, and what the paper's Figure 4 shows."""

import numpy as np
import pytest
import torch

from experiments.report.trajectories import TASK, descend, shrinking_figure
from strategies import regularizers
from strategies.regularizers import Regularizer

pytestmark = pytest.mark.usefixtures("real_figures")


def by_hand(task: np.ndarray, rho: float, lr: float, steps: int) -> np.ndarray:
    """SSR without deletion, from the derivatives in docs/method.md."""
    logits = np.zeros_like(task)
    for _ in range(steps):
        sigmoid = 1 / (1 + np.exp(-logits))
        p = sigmoid / sigmoid.sum()
        of_task = (1 - sigmoid) * p * (task - (task * p).sum())
        logits = logits - lr * (of_task + rho * (1 - sigmoid) * (1 - len(task) * p))
        sigmoid = 1 / (1 + np.exp(-logits))  # the largest becomes 1/2, which leaves the probabilities
        logits = np.log(sigmoid / sigmoid.max() / 2) - np.log1p(-sigmoid / sigmoid.max() / 2)
    sigmoid = 1 / (1 + np.exp(-logits))
    return np.asarray(sigmoid / sigmoid.sum())


def test_a_descent_is_that_of_the_closed_form() -> None:
    path = descend(regularizers.ssr, TASK, steps=20, h=0.0)
    expected = [by_hand(task.numpy(), 0.3, 0.5, 20) for task in TASK]
    np.testing.assert_allclose(path[-1], expected, rtol=1e-9)
    np.testing.assert_allclose(path[0], 1 / 3)


@pytest.fixture(scope="module")
def path() -> np.ndarray:
    return descend(regularizers.ssr)


def test_ssr_goes_from_the_centre_to_an_edge_to_the_best_corner(path: np.ndarray) -> None:
    left = (path > 0).sum(-1)
    np.testing.assert_allclose(path.sum(-1), 1)
    assert (np.diff(left, axis=0) <= 0).all() and (left[0] == 3).all() and (left[-1] == 1).all()
    assert (path[-1].argmax(-1) == TASK.numpy().argmin(-1)).all()
    assert ((left == 2).sum(0) > 10).all()  # each travels along an edge


def test_who_leaves_had_at_most_a_tenth_of_the_best(path: np.ndarray) -> None:
    """One step before it was above, and in a step a ratio falls by little."""
    for number in range(path.shape[1]):
        for candidate in range(3):
            gone = np.flatnonzero(path[:, number, candidate] == 0)
            if gone.size:
                last = path[gone[0] - 1, number]
                assert 0.1 < last[candidate] / last.max() < 0.13


@pytest.mark.parametrize("regularizer", [regularizers.information_entropy, regularizers.none])
def test_the_others_are_behind(regularizer: Regularizer, path: np.ndarray) -> None:
    other = descend(regularizer)
    entropy = [-torch.special.xlogy(p, p).sum(-1).mean(-1) for p in map(torch.from_numpy, (path, other))]
    assert (entropy[0] <= entropy[1] + 1e-12).all() and (other[-1] > 0).all()


def test_the_figure_counts_what_is_decided() -> None:
    titles = [axes.get_title() for axes in shrinking_figure().axes]
    assert titles == ["SSR: 6 of 6 decided", "entropy: 0 of 6 decided", "no regularizer: 0 of 6 decided"]
