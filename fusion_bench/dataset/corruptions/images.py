"""A data set whose images are corrupted when they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from fusion_bench.dataset.corruptions.parameters import check_severity
from fusion_bench.dataset.corruptions.registry import corrupt, corruption_name, generator_of_image
from fusion_bench.dataset.images import LabelledImages
from fusion_bench.utils.cache import digest


@dataclass(frozen=True)
class CorruptedImages:
    """The images of a data set, each corrupted in a way that its index and the seed alone decide.

    Batch size, order and number of processes make no difference; a severity scales the same noise.

    Args:
        images: the data set.
        corruption: a name of :data:`fusion_bench.dataset.corruptions.registry.CORRUPTIONS`, or an alias.
        severity: from 1 to 5.
        seed: of everything random, at least 0.

    Raises:
        KeyError: if there is no such corruption.
        ValueError: if the severity or the seed is out of range.
    """

    images: LabelledImages
    corruption: str
    severity: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        check_corruption(self.corruption, self.severity, self.seed)

    @property
    def origin(self) -> str:
        """Where the rows come from, for error messages."""
        return self.images.origin

    @property
    def key(self) -> str:
        """What tells these images from others of the same data set, such as ``gaussian_noise-5-0``."""
        return f"{corruption_name(self.corruption)}-{self.severity}-{self.seed}"

    @property
    def fingerprint(self) -> str | None:
        """Says which images with which labels these are; None where that is not known of the data set."""
        return None if self.images.fingerprint is None else digest(self.images.fingerprint, self.key)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        row = self.row(index)
        return self.image(row, index), self.label(row, index)

    def row(self, index: int) -> Any:
        """Image and label as they are stored."""
        return self.images.row(index)

    def label(self, row: Any, index: int) -> int:
        """The class of a row, which has number ``index``."""
        return self.images.label(row, index)

    def image(self, row: Any, index: int) -> Image.Image:
        """The corrupted image of a row, which has number ``index``.

        Raises:
            TypeError: if it is a tensor that is ready for the model.
        """
        image = self.images.image(row, index)
        if not isinstance(image, Image.Image):
            raise TypeError(
                f"{self.origin}, row {index}: a {type(image).__name__} that is ready for the model cannot be "
                "corrupted; give images, or set corruption=null"
            )
        name = corruption_name(self.corruption)
        generator = generator_of_image(self.seed, name, range(len(self))[index])
        return Image.fromarray(corrupt(name, np.asarray(image), self.severity, generator))


def check_corruption(corruption: str, severity: int, seed: int) -> None:
    """Find mistakes in the choice of a corruption.

    Raises:
        KeyError: if there is no such corruption.
        ValueError: if the severity or the seed is out of range.
    """
    corruption_name(corruption)
    check_severity(severity)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"the seed of a corruption must be an integer of at least 0, got {seed!r}")
