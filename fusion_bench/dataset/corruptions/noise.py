"""Noise of the sensor: Gaussian noise in low light, impulse noise of wrong bits."""

from __future__ import annotations

import numpy as np

from fusion_bench.dataset.corruptions.parameters import BySize, Pixels, to_bytes

STANDARD_DEVIATION = BySize(
    small=(0.04, 0.06, 0.08, 0.09, 0.10),
    medium=(0.04, 0.08, 0.12, 0.15, 0.18),
    large=(0.08, 0.12, 0.18, 0.26, 0.38),
)
SHARE_CHANGED = BySize(
    small=(0.01, 0.02, 0.03, 0.05, 0.07),
    medium=(0.01, 0.02, 0.05, 0.08, 0.14),
    large=(0.03, 0.06, 0.09, 0.17, 0.27),
)


def gaussian_noise(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """The image plus independent normal noise on every channel; its standard deviation is a share of the range."""
    deviation = STANDARD_DEVIATION.at(severity, image)
    return to_bytes(image / 255.0 + generator.normal(0.0, deviation, image.shape))


def impulse_noise(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """The image with a share of its values, each channel on its own, set to 0 or 255 with equal chance."""
    changed = generator.random(image.shape) < SHARE_CHANGED.at(severity, image)
    salt = generator.random(image.shape) < 0.5
    return np.where(changed, np.where(salt, np.uint8(255), np.uint8(0)), image)
