"""Edges of a grey image, distances to them, and equalised grey levels: the parts that spatter is drawn with.

Canny, "A computational approach to edge detection" (PAMI 1986), without the smoothing, which the caller does.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Grey = NDArray[np.uint8]  # (height, width)
Mask = NDArray[np.bool_]

_DIAGONAL, _KNIGHT = 1.4, 2.1969  # Borgefors' lengths of a diagonal step and of a knight's move
_EIGHT = np.ones((3, 3))


def canny(image: Grey, low: float, high: float) -> Mask:
    """The edges: ridges of the gradient above ``low`` that are connected to one above ``high``.

    The gradient is Sobel's, its size |∂x| + |∂y|.
    """
    values = image.astype(np.int64)
    across, down = (ndimage.sobel(values, axis=axis, mode="nearest") for axis in (1, 0))
    size = np.abs(across) + np.abs(down)
    candidates = (size > low) & _is_ridge(size, across, down)
    parts, _ = ndimage.label(candidates, structure=_EIGHT)
    strong = np.unique(parts[candidates & (size > high)])
    return np.isin(parts, strong[strong > 0])


def _is_ridge(size: NDArray[np.int64], across: NDArray[np.int64], down: NDArray[np.int64]) -> Mask:
    """Where the gradient is larger than at both neighbours in its direction, rounded to 45 degrees."""
    padded = np.pad(size, 1)

    def neighbour(row: int, column: int) -> NDArray[np.int64]:
        return padded[1 + row : 1 + row + size.shape[0], 1 + column : 1 + column + size.shape[1]]

    slope = math.tan(math.radians(22.5))
    is_across = np.abs(down) < slope * np.abs(across)
    is_down = ~is_across & (np.abs(across) < slope * np.abs(down))
    falls = (across < 0) == (down < 0)
    ridge_across = (size > neighbour(0, -1)) & (size >= neighbour(0, 1))
    ridge_down = (size > neighbour(-1, 0)) & (size >= neighbour(1, 0))
    ridge_falling = (size > neighbour(-1, -1)) & (size > neighbour(1, 1))
    ridge_rising = (size > neighbour(-1, 1)) & (size > neighbour(1, -1))
    ridges = [ridge_across, ridge_down, ridge_falling]
    chosen: Mask = np.select([is_across, is_down, falls], ridges, ridge_rising)
    return chosen


def distance_to_edges(edges: Mask) -> NDArray[np.float64]:
    """Pixels to the nearest edge, in steps of length 1, 1.4 and 2.1969; infinite where there is no edge at all.

    Borgefors, "Distance transformations in digital images" (CVGIP 1986): lengths of a 5x5 neighbourhood.
    """
    if not edges.any():
        return np.full(edges.shape, np.inf)
    nearest = ndimage.distance_transform_edt(~edges, return_distances=False, return_indices=True)
    offsets = np.abs(nearest - np.indices(edges.shape))
    far, near = offsets.max(axis=0), offsets.min(axis=0)
    straight = far - 2 * near + _KNIGHT * near
    slanted = _KNIGHT * (far - near) + _DIAGONAL * (2 * near - far)
    distance: NDArray[np.float64] = np.where(far >= 2 * near, straight, slanted)
    return distance


def equalised(image: Grey) -> Grey:
    """The image with grey levels spread so that each is about as frequent; an image of one level stays as it is."""
    counts = np.bincount(image.ravel(), minlength=256)
    darkest = int(image.min())
    others = image.size - counts[darkest]
    if others == 0:
        return image
    counts[darkest] = 0
    levels: Grey = np.rint(counts.cumsum() * (255 / others)).astype(np.uint8)
    return levels[image]
