"""Training images of a pool, preprocessed one at a time and without their labels."""

from __future__ import annotations

from torch import Tensor

from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.pixels import EncodedImages, PixelTransform


class ImageInputs:
    """A data set of encoded images without labels."""

    def __init__(self, encoded: EncodedImages) -> None:
        self._encoded = encoded

    @classmethod
    def of(cls, images: LabelledImages, transform: PixelTransform) -> ImageInputs:
        """The images of a data set, preprocessed by ``transform`` when they are asked for."""
        return cls(EncodedImages(images, transform))

    def __len__(self) -> int:
        return len(self._encoded)

    def __getitem__(self, index: int) -> Tensor:
        return self._encoded.image(index)
