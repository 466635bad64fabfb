"""Motion blur: what a camera sees that moves along a line."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fusion_bench.dataset.corruptions.parameters import BySize, Pixels, to_bytes

RADIUS_AND_DEVIATION = BySize(
    small=((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)),
    medium=((10, 1.0), (10, 1.5), (10, 2.0), (10, 2.5), (12, 3.0)),
    large=((10, 3.0), (15, 5.0), (15, 8.0), (15, 12.0), (20, 15.0)),
)
LARGEST_ANGLE = 45.0


def motion_blur(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """The image blurred along a line whose angle is uniform in -45..45 degrees."""
    radius, deviation = RADIUS_AND_DEVIATION.at(severity, image)
    return blur_along(image, radius, deviation, generator.uniform(-LARGEST_ANGLE, LARGEST_ANGLE))


def blur_along(image: Pixels, radius: int, deviation: float, angle: float) -> Pixels:
    """The mean of copies shifted step by step along a line, weighted by one half of a normal density.

    Step i = 0 … 2 ``radius`` has weight exp(-i² / 2 ``deviation``²), shifts are rounded to whole pixels, and the border
    repeats outside.

    Args:
        image: ``(height, width, 3)``.
        radius: of the kernel, in pixels; its length is 2 ``radius`` + 1.
        deviation: standard deviation of the density, in pixels.
        angle: of the line to the horizontal, in degrees; a positive one points down.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * deviation**2))
    weights /= weights.sum()
    down = _rounded(steps * math.sin(math.radians(angle)))
    across = _rounded(steps * math.cos(math.radians(angle)))
    reach, (height, width) = 2 * radius, image.shape[:2]
    padded = np.pad(image / 255.0, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    blurred = np.zeros(image.shape)
    for weight, row, column in zip(weights, down + reach, across + reach, strict=True):
        blurred += weight * padded[row : row + height, column : column + width]
    return to_bytes(blurred)


def _rounded(distances: NDArray[np.floating]) -> NDArray[np.int64]:
    """Distances in whole pixels, halves downwards."""
    pixels: NDArray[np.int64] = np.ceil(distances - 0.5).astype(np.int64)
    return pixels
