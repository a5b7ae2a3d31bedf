"""Pictures at another size without OpenCV, beside OpenCV."""

import cv2
import numpy as np
import pytest

from experiments.runtime.resizing import Way, resize, resize_by_numpy

# From an odd number of pixels no centre lies between two of them.
SIZES = [((47, 63), (20, 31)), ((45, 63), (15, 21)), ((7, 5), (48, 64)), ((47, 63), (47, 63)), ((47, 63), (97, 30))]


@pytest.mark.parametrize("way", ["nearest", "linear", "area"])
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_numpy_resizes_as_opencv_does(old: tuple[int, int], new: tuple[int, int], way: Way) -> None:
    if way == "area" and (new[0] > old[0] or new[1] > old[1]):
        return  # the mean is for smaller sizes
    rng = np.random.default_rng(0)
    pixels, logits = rng.integers(0, 256, (*old, 3), np.uint8), rng.normal(size=old).astype(np.float32)
    found, expected = resize_by_numpy(pixels, new, way), resize(pixels, new, way)
    assert found.shape == expected.shape == (*new, 3) and found.dtype == np.uint8 and found is not pixels
    assert np.abs(found.astype(int) - expected).max() <= (0 if way == "nearest" else 1)
    assert np.allclose(resize_by_numpy(logits, new, way), resize(logits, new, way), atol=1e-5)
    assert (resize(pixels, new, "linear") == cv2.resize(pixels, new[::-1], interpolation=cv2.INTER_LINEAR)).all()
