"""The pixels of a decoded frame, upright as the film's metadata says."""

import math
from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from experiments.data.files import Array
from nas_space.errors import InputError

STRAIGHT = 0.01
"""Tangent of the largest angle, half a degree, by which a turn may miss a right angle."""


def pixels_of(frame: VideoFrame, source: object) -> Array:
    """The frame as it is shown, ``(H, W, 3)`` uint8 RGB.

    Args:
        frame: as it is decoded.
        source: the film, for the message.

    Raises:
        InputError: it is shown turned by another angle than a right one.
    """
    pixels: Array = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    try:
        side_data: Any = frame.side_data  # PyAV's types are of another class
        matrices = [bytes(data) for data in side_data if data.type.name == "DISPLAYMATRIX"]
    except ValueError:  # PyAV does not know what else is at this frame, and gives none of it
        return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
    return upright(pixels, np.frombuffer(matrices[0], np.int32), source) if matrices else pixels


def upright(pixels: Array, matrix: "np.ndarray", source: object) -> Array:
    """The picture turned and mirrored as its display matrix says; a stretch is left out.

    Args:
        pixels: ``(H, W, 3)``.
        matrix: the 9 numbers of an mp4: a column ``x`` and a row ``y`` come to the column ``a x + c y`` and the row
            ``b x + d y`` with a, b, c, d at the places 0, 1, 3, 4 (ISO/IEC 14496-12, 8.3.2). All zero is no turn.
        source: the film, for the message.

    Raises:
        InputError: the angle is no right one, or the picture is sheared.
    """
    a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
    if not any((a, b, c, d)):
        return pixels
    if max(abs(b), abs(c)) < STRAIGHT * min(abs(a), abs(d)):
        across, down = a, d
    elif max(abs(a), abs(d)) < STRAIGHT * min(abs(b), abs(c)):
        pixels, across, down = pixels.swapaxes(0, 1), c, b
    else:
        angle = math.degrees(math.atan2(b, a))
        fix = "only right angles and mirror images are read; write it anew without that"
        raise InputError(f"{source}: its frames are shown turned by {angle:.0f} degrees, or sheared; {fix}")
    return np.ascontiguousarray(pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
