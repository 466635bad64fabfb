"""Spatter: drops of water, or splashes of mud at the high severities, on the lens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fusion_bench.dataset.corruptions.edges import canny, distance_to_edges, equalised
from fusion_bench.dataset.corruptions.parameters import BySize, Pixels, to_bytes

Layer = NDArray[np.float64]  # (height, width)


class Liquid(NamedTuple):
    """How much liquid there is and what it looks like."""

    mean: float  # of the noise that the liquid is made from
    deviation: float
    smoothing: float  # standard deviation of the normal kernel that makes drops of the noise, in pixels
    threshold: float  # there is liquid where the smoothed noise is above it
    strength: float  # of water: its largest brightness; of mud: by how many pixels its rim is smoothed
    is_mud: bool


LIQUID = BySize(
    small=(
        Liquid(0.62, 0.1, 0.7, 0.7, 0.5, False),
        Liquid(0.65, 0.1, 0.8, 0.7, 0.5, False),
        Liquid(0.65, 0.3, 1.0, 0.69, 0.5, False),
        Liquid(0.65, 0.1, 0.7, 0.69, 0.6, True),
        Liquid(0.65, 0.1, 0.5, 0.68, 0.6, True),
    ),
    medium=(
        Liquid(0.62, 0.1, 0.7, 0.7, 0.6, False),
        Liquid(0.65, 0.1, 0.8, 0.7, 0.6, False),
        Liquid(0.65, 0.3, 1.0, 0.69, 0.6, False),
        Liquid(0.65, 0.1, 0.7, 0.68, 0.6, True),
        Liquid(0.65, 0.1, 0.5, 0.67, 0.6, True),
    ),
    large=(
        Liquid(0.65, 0.3, 4.0, 0.69, 0.6, False),
        Liquid(0.65, 0.3, 3.0, 0.68, 0.6, False),
        Liquid(0.65, 0.3, 2.0, 0.68, 0.5, False),
        Liquid(0.65, 0.3, 1.0, 0.65, 1.5, True),
        Liquid(0.67, 0.4, 1.0, 0.65, 1.5, True),
    ),
)
WATER = np.array([175, 238, 238]) / 255  # pale turquoise
MUD = np.array([63, 42, 20]) / 255  # brown
SHARPENED = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])  # lit from one side
FARTHEST = 20.0  # distance from the rim of a drop, in pixels, beyond which it looks the same
ROUNDING = 1e-3  # so that a mean that is a whole number is not cut to the one below
OPAQUE = 0.8  # mud covers where its smoothed layer is at least this


def spatter(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """The image behind drops of water (severities 1 to 3) or splashes of mud (4 and 5)."""
    liquid = LIQUID.at(severity, image)
    noise = generator.normal(liquid.mean, liquid.deviation, image.shape[:2])
    layer = ndimage.gaussian_filter(noise, liquid.smoothing, mode="nearest")
    layer[layer < liquid.threshold] = 0
    if liquid.is_mud:
        cover = mud_cover(layer > liquid.threshold, liquid.strength)[..., None]
        return to_bytes(image / 255.0 * (1 - cover) + MUD * cover)
    return to_bytes(image / 255.0 + WATER * liquid.strength * water_light(layer)[..., None])


def mud_cover(is_wet: NDArray[np.bool_], smoothing: float) -> Layer:
    """How far mud hides each pixel, in 0..1: the smoothed place of the liquid, without its thin rim."""
    cover = ndimage.gaussian_filter(is_wet.astype(np.float64), smoothing, mode="nearest")
    return np.where(cover < OPAQUE, 0.0, cover)


def water_light(layer: Layer) -> Layer:
    """How bright water shines at each pixel, from 0 to 1 at the brightest; drops are lit from the side.

    The light is the product of the liquid and a relief: the distance to the rim, cut at 20 pixels, spread over all grey
    levels and filtered so that slopes towards one corner are bright.

    Args:
        layer: height of the liquid, 0 where there is none.
    """
    heights = np.clip(layer * 255, 0, 255).astype(np.uint8)
    distance = np.minimum(distance_to_edges(canny(heights, 50, 150)), FARTHEST)
    smooth = ndimage.uniform_filter(distance, 3, mode="mirror") + ROUNDING
    levels = equalised(smooth.astype(np.uint8))
    relief = np.clip(ndimage.correlate(levels.astype(np.int64), SHARPENED, mode="mirror"), 0, 255)
    light: Layer = heights * np.rint(ndimage.uniform_filter(relief.astype(np.float64), 3, mode="mirror"))
    brightest = light.max()
    return light / brightest if brightest > 0 else light
