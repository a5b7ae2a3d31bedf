"""Light and weather of a street scene: what comes between the drawn world and the sensor."""

import cv2
import numpy as np
import numpy.typing as npt

from experiments.data.streets.canvas import Floats
from experiments.data.streets.sprites import Rng


def weather(rng: Rng, image: npt.NDArray[np.uint8], depth: Floats, night: bool) -> npt.NDArray[np.uint8]:
    """Fog by distance, exposure, contrast and colour cast, rain, blur and sensor noise.

    Args:
        rng: decides all of it.
        image: ``(H, W, 3)`` uint8, RGB; it is not changed.
        depth: ``(H, W)`` in metres, infinite in the sky.
        night: dark and bluish.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    pixels = image.astype(np.float32)
    if rng.random() < 0.2:
        visibility = np.exp(rng.uniform(np.log(25), np.log(200)))
        veil = np.exp(-np.minimum(depth, 500) / visibility)[..., None].astype(np.float32)
        pixels = pixels * veil + np.float32(rng.uniform(120, 215)) * (1 - veil)
    gain = rng.uniform(0.4, 0.6) if night else rng.uniform(0.8, 1.1)
    contrast, middle = rng.uniform(0.8, 1.1), pixels.mean()
    cast = rng.normal(1, 0.03, 3) * ((0.85, 0.95, 1.2) if night else (1.0, 1.0, 1.0))
    pixels = ((pixels - middle) * contrast + middle) * (gain * cast).astype(np.float32)
    if rng.random() < 0.15:
        pixels = _rain(rng, pixels)
    if rng.random() < 0.2:
        pixels = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 0.9)).astype(np.float32)
    pixels += rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(1, 5))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _rain(rng: Rng, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    height, width = pixels.shape[:2]
    streaks = np.zeros((height, width), np.float32)
    slant = rng.uniform(-0.4, 0.4)
    for x, y, length in rng.uniform((0, 0, 0.04), (width, height, 0.12), (max(height * width // 300, 8), 3)).tolist():
        end = round(x + slant * length * height), round(y + length * height)
        cv2.line(streaks, (round(x), round(y)), end, 1.0)
    return pixels + streaks[..., None] * np.float32(rng.uniform(10, 30))
