"""The overlay shows image and classes, and a legend of what is in it."""

import numpy as np
import pytest

from experiments.prediction.pictures import NARROWEST, OPACITY, blend, legend, overlay, present, shares

COLOURS = ((255, 0, 0), (0, 255, 0), (10, 20, 200))
NAMES = ("road", "sky", "日本 façade")


def test_a_blend_is_the_weighted_mean() -> None:
    rng = np.random.default_rng(0)
    image, classes = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8), rng.integers(0, 3, (20, 30), dtype=np.uint8)
    expected = (1 - OPACITY) * image + OPACITY * np.array(COLOURS)[classes]
    assert np.abs(blend(image, classes, COLOURS) - expected).max() < 1.6


def test_classes_that_occur() -> None:
    classes = np.array([[0, 0, 2], [0, 2, 254]], np.uint8)
    assert present(classes) == [0, 2, 254] and shares(classes)[[0, 1, 2]].tolist() == pytest.approx([1 / 2, 0, 1 / 3])


@pytest.mark.parametrize("shape", [(300, 400), (1, 1), (3, 2000), (2000, 3), (1024, 2048)])
def test_the_legend_lies_below_the_image(shape: tuple[int, int]) -> None:
    image, classes = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    picture = overlay(image, classes, NAMES, COLOURS)
    height, width = shape
    assert picture.shape[0] > height and picture.shape[1] == max(width, NARROWEST)
    assert (picture[:height, :width] == blend(image, classes, COLOURS)).all()
    assert (picture[:height, width:] == 255).all()
    panel = picture[height:]
    assert (panel == COLOURS[0]).all(-1).sum() > 50 and not (panel == COLOURS[1]).all(-1).any()  # only what occurs
    assert (panel < 60).all(-1).sum() > 20  # letters


def test_a_legend_of_everything_wraps() -> None:
    wide, narrow = legend(NAMES, COLOURS, 600, 14), legend(NAMES, COLOURS, 120, 14)
    assert wide.shape[1] == 600 and narrow.shape[1] == 120 and narrow.shape[0] > 2 * wide.shape[0]
    for panel in (wide, narrow):
        assert all((panel == colour).all(-1).sum() > 50 for colour in COLOURS)
    assert legend((), (), 100, 14).shape == (0, 100, 3)
    assert (legend(("two\nlines",), COLOURS[:1], 300, 14) == legend(("two lines",), COLOURS[:1], 300, 14)).all()
