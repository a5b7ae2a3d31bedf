"""Pictures of a segmentation."""

import numpy as np
import pytest

from experiments.runtime.segmentation import Segmentation

CLASSES = np.array([[0, 1], [2, 1]], np.uint8)
COLOURS = ((255, 0, 0), (0, 255, 0), (1, 2, 3))
RESULT = Segmentation(CLASSES, ("a", "b", "c"), COLOURS, np.full((2, 2, 3), 100, np.uint8))


def test_colours() -> None:
    assert RESULT.colour_map().tolist() == [[[255, 0, 0], [0, 255, 0]], [[1, 2, 3], [0, 255, 0]]]


def test_overlay() -> None:
    assert np.array_equal(RESULT.overlay(0), RESULT.image)
    assert np.array_equal(RESULT.overlay(1), RESULT.colour_map())
    assert RESULT.overlay(0.5)[0, 0].tolist() == [178, 50, 50]
    assert RESULT.overlay().dtype == np.uint8
    for opacity in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="opacity"):
            RESULT.overlay(opacity)


def test_shares() -> None:
    assert RESULT.shares() == {"a": 0.25, "b": 0.5, "c": 0.25}
