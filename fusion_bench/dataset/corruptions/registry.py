"""The corruptions by name, and how one of them is applied to an image."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable

import numpy as np

from fusion_bench.dataset.corruptions.blur import motion_blur
from fusion_bench.dataset.corruptions.digital import contrast, jpeg_quality, pixelate
from fusion_bench.dataset.corruptions.noise import gaussian_noise, impulse_noise
from fusion_bench.dataset.corruptions.parameters import Pixels
from fusion_bench.dataset.corruptions.spatter import spatter

Corruption = Callable[[Pixels, int, np.random.Generator], Pixels]

CORRUPTIONS: dict[str, Corruption] = {
    "motion_blur": motion_blur,
    "impulse_noise": impulse_noise,
    "gaussian_noise": gaussian_noise,
    "pixelate": pixelate,
    "spatter": spatter,
    "contrast": contrast,
    "jpeg_quality": jpeg_quality,
}
ALIASES = {"jpeg_compression": "jpeg_quality"}  # its name in ImageNet-C


def corruption_name(name: str) -> str:
    """The name of a corruption, which an alias may stand for.

    Raises:
        KeyError: if there is none of that name; lists those there are.
    """
    found = ALIASES.get(name, name)
    if found not in CORRUPTIONS:
        near = difflib.get_close_matches(str(name), [*CORRUPTIONS, *ALIASES], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise KeyError(f"no corruption {name!r}; there are {', '.join(CORRUPTIONS)}{hint}")
    return found


def corrupt(name: str, image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """A corrupted copy of an image, of the same size.

    Args:
        name: a key of :data:`CORRUPTIONS`, or an alias.
        image: RGB bytes ``(height, width, 3)``.
        severity: from 1 to 5.
        generator: where random numbers come from.

    Raises:
        KeyError: if there is no such corruption.
        TypeError: if the image is not an array of bytes.
        ValueError: if the image or the severity is out of range.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        came = f"dtype {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"a corruption needs an image of dtype uint8, got {came}")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"a corruption needs an RGB image of shape (height, width, 3), got {image.shape}")
    return CORRUPTIONS[corruption_name(name)](image, severity, generator)


def generator_of_image(seed: int, name: str, index: int) -> np.random.Generator:
    """The generator of one image, the same on every machine and whatever else is drawn.

    Args:
        seed: seed of the run's corruption, at least 0.
        name: of the corruption.
        index: of the image in its data set.
    """
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(digest[:8], "big"), index]))
