"""The tools of street scenes: a camera over a ground plane, planes in the world, a canvas with label and depth."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Colour = tuple[float, float, float]
Sprite = Sequence[tuple[Floats, Colour]]
"""A flat drawing: polygons ``(K, 2)`` in metres (right, up) with their colour, the hindmost first."""

NEAR = 0.6
"""Smallest distance in metres: nearer points are moved here."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera above a flat ground with a road that may bend.

    World coordinates are metres: x to the right of the road's axis, y up from the ground, z ahead of the camera. The
    axis bends with the square of the distance, and everything that stands along the road bends with it.

    Args:
        focal: focal length in pixels.
        vanishing: column and row of the vanishing point, in pixels; the row is the horizon.
        eye: x and y of the camera in metres.
        roll: rotation about the viewing direction in radians.
        bend: curvature of the road, metres sideways per square metre ahead.
    """

    focal: float
    vanishing: tuple[float, float]
    eye: tuple[float, float]
    roll: float
    bend: float

    def project(self, points: Floats) -> Floats:
        """World points ``(..., 3)`` -> pixels ``(..., 2)``, column first."""
        z = np.maximum(points[..., 2], NEAR)
        right = (points[..., 0] + self.bend * z * z - self.eye[0]) * self.focal / z
        down = (self.eye[1] - points[..., 1]) * self.focal / z
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        column, row = self.vanishing
        return np.stack([column + cos * right - sin * down, row + sin * right + cos * down], -1)

    def ground(self, height: int, width: int) -> tuple[Floats, Floats]:
        """Where each pixel's ray meets the ground.

        Returns:
            x from the road's axis and z, both ``(height, width)`` float32 in metres; above the horizon z is infinite.
        """
        columns = np.arange(width, dtype=np.float32)[None, :] - np.float32(self.vanishing[0])
        rows = np.arange(height, dtype=np.float32)[:, None] - np.float32(self.vanishing[1])
        cos, sin = np.float32(np.cos(self.roll)), np.float32(np.sin(self.roll))
        right, down = cos * columns + sin * rows, cos * rows - sin * columns
        below = down > 0.5
        z = np.where(below, self.focal * self.eye[1] / np.where(below, down, 1), np.inf).astype(np.float32)
        finite = np.where(below, z, 0)
        return self.eye[0] + right * finite / self.focal - self.bend * finite * finite, z


@dataclass(frozen=True)
class Plane:
    """A vertical plane in the world, on which sprites stand or hang.

    Args:
        origin: world position of the sprite's (0, 0).
        along: world direction of the sprite's right, x and z, times its scale.
        scale: size of the sprite upwards.
    """

    origin: tuple[float, float, float]
    along: tuple[float, float] = (1.0, 0.0)
    scale: float = 1.0

    def at(self, points: Floats) -> Floats:
        """Points on the plane ``(..., 2)`` -> world points ``(..., 3)``."""
        right, up = points[..., 0], points[..., 1]
        x, y, z = self.origin
        return np.stack([x + self.along[0] * right, y + self.scale * up, z + self.along[1] * right], -1)

    def moved(self, right: float, up: float, scale: float) -> "Plane":
        """The same plane with its origin at (right, up) and sprites ``scale`` times as large."""
        x, y, z = (float(value) for value in self.at(np.array([right, up])))
        return Plane((x, y, z), (self.along[0] * scale, self.along[1] * scale), self.scale * scale)


class Canvas:
    """An image under construction with the class and the distance of every pixel; later drawings cover earlier ones.

    Args:
        camera: how world points become pixels.
        height: in pixels.
        width: in pixels.

    Attributes:
        image: ``(H, W, 3)`` uint8, RGB.
        label: ``(H, W)`` uint8.
        depth: ``(H, W)`` float32, metres.
    """

    def __init__(self, camera: Camera, height: int, width: int) -> None:
        self.camera = camera
        self.image = np.zeros((height, width, 3), np.uint8)
        self.label = np.zeros((height, width), np.uint8)
        self.depth = np.full((height, width), np.inf, np.float32)

    def polygon(self, points: Floats, colour: Colour, label: int) -> None:
        """Fill one polygon of world points ``(K, 3)``: colour, class, and its mean distance."""
        pixels = self._pixels(points)
        cv2.fillPoly(self.image, [pixels], colour)
        cv2.fillPoly(self.label, [pixels], label)
        cv2.fillPoly(self.depth, [pixels], float(points[:, 2].sum()) / len(points))

    def details(self, points: Floats, colour: Colour) -> None:
        """Fill polygons ``(N, K, 3)`` with a colour; class and distance stay as they are."""
        if len(points):
            cv2.fillPoly(self.image, list(self._pixels(points)), colour)

    def sprite(self, sprite: Sprite, plane: Plane, label: int) -> None:
        """Draw all polygons of a sprite on a plane, as one class."""
        # A scene has hundreds of small polygons, so all vertices are projected at once.
        world = plane.at(np.concatenate([points for points, _ in sprite]))
        pixels = self._pixels(world)
        if (pixels.max(0) < 0).any() or (pixels.min(0) >= self.label.shape[::-1]).any():
            return  # out of sight
        ends = np.cumsum([len(points) for points, _ in sprite])
        for polygon, (_, colour) in zip(np.split(pixels, ends[:-1]), sprite, strict=True):
            cv2.fillPoly(self.image, [polygon], colour)
            cv2.fillPoly(self.label, [polygon], label)
            cv2.fillPoly(self.depth, [polygon], float(world[0, 2]))

    def _pixels(self, points: Floats) -> npt.NDArray[np.int32]:
        return np.clip(np.rint(self.camera.project(points)), -20000, 20000).astype(np.int32)


def rectangle(left: float, bottom: float, right: float, top: float) -> Floats:
    """Corners ``(4, 2)`` of an upright rectangle."""
    return np.array([(left, bottom), (right, bottom), (right, top), (left, top)])


def disc(x: float, y: float, radius: float, corners: int = 10) -> Floats:
    """Corners ``(corners, 2)`` of a regular polygon."""
    angle = np.arange(corners) * (2 * np.pi / corners)
    return np.stack([np.cos(angle), np.sin(angle)], -1) * radius + (x, y)


def noise(rng: np.random.Generator, height: int, width: int, cells: Sequence[int]) -> Floats:
    """Smooth noise ``(height, width)`` float32 of standard deviation near 1: an octave for each number of ``cells``."""
    field = np.zeros((height, width), np.float32)
    for count in cells:
        coarse = rng.standard_normal((count + 1, count * width // height + 2), np.float32)
        field += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return field * np.float32(1.5 / len(cells) ** 0.5)
