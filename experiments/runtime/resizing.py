"""Pictures and logits at another size: by OpenCV, or by NumPy alone where it is not installed. No torch.

Both give the same up to rounding: 1 of 255 for pixels, 1e-5 of the values for logits.
"""

from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

HAS_OPENCV = find_spec("cv2") is not None
Way = Literal["nearest", "linear", "area"]


def resize(array: npt.NDArray[Any], size: tuple[int, int], way: Way) -> npt.NDArray[Any]:
    """A resized copy: an engine's next answer may lie in the memory of ``array``.

    Args:
        array: ``(h, w)`` or ``(h, w, channels)``, uint8 or float32.
        size: height and width ``(H, W)`` of the result.
        way: ``area``, the mean of what a pixel covers, is for smaller sizes.
    """
    if HAS_OPENCV:
        import cv2

        ways = {"nearest": cv2.INTER_NEAREST_EXACT, "linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}
        return cv2.resize(array, size[::-1], interpolation=ways[way])
    return resize_by_numpy(array, size, way)


def resize_by_numpy(array: npt.NDArray[Any], size: tuple[int, int], way: Way) -> npt.NDArray[Any]:
    """Like ``resize``."""
    if way == "nearest":
        rows, columns = (_nearest(old, new) for old, new in zip(array.shape[:2], size, strict=True))
        return np.ascontiguousarray(array[rows[:, None], columns])
    step = _area if way == "area" else _linear
    result = step(step(array.astype(np.float32), size[0], 0), size[1], 1)
    return np.rint(result).astype(array.dtype) if array.dtype == np.uint8 else result


def _nearest(old: int, new: int) -> npt.NDArray[np.int64]:
    """The pixels along one axis in which the centres lie; of two that are equally near OpenCV may take the other."""
    return (2 * np.arange(new, dtype=np.int64) + 1) * old // (2 * new)


def _linear(array: npt.NDArray[np.float32], length: int, axis: int) -> npt.NDArray[np.float32]:
    """Linear interpolation between the centres of pixels along one axis; the outermost ones reach to the edge."""
    old = array.shape[axis]
    centres = np.clip((np.arange(length) + 0.5) * old / length - 0.5, 0, old - 1)
    low = centres.astype(int)
    share = (centres - low).astype(np.float32).reshape([-1 if one == axis else 1 for one in range(array.ndim)])
    first, second = array.take(low, axis), array.take(np.minimum(low + 1, old - 1), axis)
    return first + (second - first) * share


def _area(array: npt.NDArray[np.float32], length: int, axis: int) -> npt.NDArray[np.float32]:
    """The mean of what each new pixel covers along one axis."""
    edges = np.arange(length + 1) * (array.shape[axis] / length)
    places = np.arange(array.shape[axis])
    weights = np.clip(np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places), 0, None)
    weights = (weights * (length / array.shape[axis])).astype(np.float32)
    return np.moveaxis(np.tensordot(weights, array, (1, axis)), 0, axis)
