"""Published parameters of a corruption: five severities, for each of three sizes of image.

Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (ICLR 2019),
publish one set of values each for ImageNet-C (crops of 224 pixels), Tiny-ImageNet-C (64) and CIFAR-10-C (32). The size
of an image decides which is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # an RGB image: (height, width, 3)
Value = TypeVar("Value")

SMALL, MEDIUM = 48, 128  # pixels of the shorter side up to which an image is small or medium
SEVERITIES = range(1, 6)


@dataclass(frozen=True, kw_only=True)
class BySize(Generic[Value]):
    """The values of severity 1 to 5 for images of each size."""

    small: tuple[Value, ...]  # CIFAR-10-C: the shorter side has at most 48 pixels
    medium: tuple[Value, ...]  # Tiny-ImageNet-C: at most 128
    large: tuple[Value, ...]  # ImageNet-C

    def at(self, severity: int, image: Pixels) -> Value:
        """The value for one image.

        Raises:
            ValueError: if the severity is not an integer in 1..5.
        """
        check_severity(severity)
        side = min(image.shape[:2])
        values = self.small if side <= SMALL else self.medium if side <= MEDIUM else self.large
        return values[severity - 1]


def check_severity(severity: int) -> None:
    """Check that a severity is one of the five.

    Raises:
        ValueError: saying what it must be.
    """
    if not isinstance(severity, int) or isinstance(severity, bool) or severity not in SEVERITIES:
        raise ValueError(f"the severity of a corruption must be an integer from 1 to 5, got {severity!r}")


def to_bytes(values: NDArray[np.floating]) -> Pixels:
    """An image whose values go from 0 to 1 as bytes; what is outside is clipped, fractions are cut as in ImageNet-C."""
    cut: Pixels = (np.clip(values, 0, 1) * 255).astype(np.uint8)
    return cut
