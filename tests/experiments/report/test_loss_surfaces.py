"""The losses over a simplex: the numbers behind the drawing against their closed forms."""

import math

import numpy as np
import pytest

from experiments.report.loss_surfaces import LOSSES, loss_of, loss_surfaces_figure
from experiments.report.simplex import CORNERS, inner_points, to_plane

pytestmark = pytest.mark.usefixtures("real_figures")


@pytest.mark.parametrize("candidates", [2, 3])
def test_losses_are_their_closed_forms(candidates: int) -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(candidates), 50)
    np.testing.assert_allclose(loss_of(LOSSES["SSR"], p), np.log(p.prod(-1)))
    np.testing.assert_allclose(loss_of(LOSSES["entropy"], p), -(p * np.log(p)).sum(-1))
    np.testing.assert_allclose(loss_of(LOSSES["zero-one L1"], p), -np.abs(p - 0.5).sum(-1))
    np.testing.assert_allclose(loss_of(LOSSES["zero-one L2"], p), -((p - 0.5) ** 2).sum(-1))


def test_the_triangle_has_its_corners_and_its_centre() -> None:
    np.testing.assert_allclose(to_plane(np.eye(3)), CORNERS)
    sides = [np.linalg.norm(CORNERS[i] - CORNERS[j]) for i, j in ((0, 1), (1, 2), (2, 0))]
    assert sides == pytest.approx([1, 1, 1])
    np.testing.assert_allclose(to_plane(np.full(3, 1 / 3)), [0.5, math.sqrt(0.75) / 3])
    points = inner_points(10)
    assert len(points) == 66 and (points > 0).all() and np.allclose(points.sum(-1), 1)


def test_the_lines_are_the_losses_of_two_candidates() -> None:
    figure = loss_surfaces_figure()
    for axes, (title, loss) in zip(figure.axes, LOSSES.items(), strict=False):
        first, values = axes.lines[0].get_data()
        assert axes.get_title(loc="left") == title and first[0] < 0.01 and first[-1] > 0.99
        np.testing.assert_allclose(values, loss_of(loss, np.stack((first, 1 - np.asarray(first)), -1)))
        assert np.argmax(values) == len(first) // 2  # highest where nothing is decided
