import numpy as np
import pytest

from experiments.data.streets.canvas import Camera, Canvas, Plane, rectangle

CAMERA = Camera(focal=100, vanishing=(70, 40), eye=(1.5, 1.8), roll=0.1, bend=0.004)


@pytest.mark.parametrize(("column", "row"), [(10, 90), (64, 60), (120, 80)])
def test_ground_is_the_inverse_of_projection(column: int, row: int) -> None:
    x, z = CAMERA.ground(96, 128)
    back = CAMERA.project(np.array([x[row, column], 0, z[row, column]]))
    np.testing.assert_allclose(back, (column, row), atol=0.01)


def test_nothing_of_the_ground_is_above_the_horizon() -> None:
    level = Camera(focal=100, vanishing=(64, 40), eye=(0, 1.5), roll=0, bend=0)
    _, z = level.ground(96, 128)
    assert np.isinf(z[:41]).all() and np.isfinite(z[41:]).all() and (np.diff(z[41:, 0]) < 0).all()


def test_later_polygons_cover_earlier_ones_in_colour_class_and_depth() -> None:
    canvas = Canvas(Camera(focal=100, vanishing=(64, 48), eye=(0, 0), roll=0, bend=0), 96, 128)
    canvas.polygon(Plane((-1, -1, 10)).at(rectangle(0, 0, 2, 2)), (200, 0, 0), 1)
    canvas.sprite([(rectangle(-0.2, -0.2, 0.2, 0.2), (0, 0, 200))], Plane((0, 0, 5)), 2)
    assert canvas.image[48, 64].tolist() == [0, 0, 200] and canvas.label[48, 64] == 2 and canvas.depth[48, 64] == 5
    assert canvas.image[48, 57].tolist() == [200, 0, 0] and canvas.label[48, 57] == 1 and canvas.depth[48, 57] == 10
    assert np.isinf(canvas.depth[0, 0])


def test_details_keep_class_and_depth() -> None:
    canvas = Canvas(CAMERA, 96, 128)
    canvas.details(Plane((1.5, 0, 10)).at(rectangle(-1, 0, 1, 3))[None], (9, 9, 9))
    assert (canvas.image == 9).any() and not canvas.label.any() and np.isinf(canvas.depth).all()


def test_moved_planes_compose() -> None:
    plane = Plane((1.0, 0.0, 5.0), (0.0, 1.0)).moved(2, 3, 0.5)
    np.testing.assert_allclose(plane.at(np.array([2.0, 2.0])), (1, 4, 8))
