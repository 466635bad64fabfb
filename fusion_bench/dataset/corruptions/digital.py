"""What displays and codecs do: low contrast, coarse pixels, JPEG. Nothing here is random."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from fusion_bench.dataset.corruptions.parameters import BySize, Pixels, to_bytes

CONTRAST = BySize(
    small=(0.75, 0.5, 0.4, 0.3, 0.15),
    medium=(0.4, 0.3, 0.2, 0.1, 0.05),
    large=(0.4, 0.3, 0.2, 0.1, 0.05),
)
SHARE_OF_SIDE = BySize(
    small=(0.95, 0.9, 0.85, 0.75, 0.65),
    medium=(0.9, 0.8, 0.7, 0.6, 0.5),
    large=(0.6, 0.5, 0.4, 0.3, 0.25),
)
JPEG_QUALITY = BySize(
    small=(80, 65, 58, 50, 40),
    medium=(65, 58, 50, 40, 25),
    large=(25, 18, 15, 10, 7),
)


def contrast(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """The image with each channel drawn towards its mean: ``mean + c (x - mean)``."""
    values = image / 255.0
    mean = values.mean(axis=(0, 1), keepdims=True)
    return to_bytes(mean + CONTRAST.at(severity, image) * (values - mean))


def pixelate(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """The image averaged over the pixels of a coarser grid, then enlarged to its own size without smoothing."""
    height, width = image.shape[:2]
    share = SHARE_OF_SIDE.at(severity, image)
    coarse = (max(1, int(width * share)), max(1, int(height * share)))
    small = Image.fromarray(image).resize(coarse, Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.BOX))


def jpeg_quality(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """The image after JPEG compression at a low quality."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=JPEG_QUALITY.at(severity, image))
    return np.asarray(Image.open(file).convert("RGB"))
