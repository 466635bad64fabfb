"""From images to pixel values, in two parts: bytes that can be kept, and numbers made of them on the device."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import PIL
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fusion_bench.dataset.corruptions.images import CorruptedImages
from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.resizing import ResizeAndCrop
from fusion_bench.utils.cache import digest

_BYTES_AT_A_TIME = 1 << 21  # that are turned into numbers: they and the numbers fit into a processor's cache


@dataclass(frozen=True)
class PixelTransform:
    """Preprocessing in two parts: ``encode`` one image to a small tensor, ``decode`` a batch of them on its device.

    With an HF image processor that rescales and normalises, the small tensor is the resized image as bytes, a quarter
    of the memory of pixel values.

    Args:
        processor: an HF image processor, or a function from an RGB image to a tensor.
    """

    processor: Any

    def encode(self, image: Any) -> Tensor:
        """One image as a tensor ``(channels, height, width)``; a tensor is ready and stays as it is.

        Raises:
            TypeError: if a function gives no tensor.
        """
        if isinstance(image, Tensor):
            return image
        if not self.is_hf:
            made: Tensor = self.processor(image)
            if not isinstance(made, Tensor):
                raise TypeError(f"the data processor must turn an image into a tensor, it gave a {type(made).__name__}")
            return made
        if self._shortcut is not None:
            return self._shortcut(image)
        late = {"do_rescale": False, "do_normalize": False} if self._normalises_late else {}
        pixels: Tensor = self.processor(images=[image], return_tensors="pt", **late)["pixel_values"][0]
        return pixels

    def decode(self, encoded: Tensor) -> Tensor:
        """Pixel values ``(images, channels, height, width)``, float32 unless a function made them otherwise."""
        if encoded.dtype != torch.uint8 or not self._normalises_late:
            return encoded
        mean = torch.tensor(self.processor.image_mean, device=encoded.device).view(-1, 1, 1)
        std = torch.tensor(self.processor.image_std, device=encoded.device).view(-1, 1, 1)
        pixels = torch.empty(encoded.shape, device=encoded.device)
        step = len(encoded)
        if encoded.device.type == "cpu":
            step = max(1, _BYTES_AT_A_TIME // encoded[0].numel())
        for some, numbers in zip(torch.split(encoded, step), torch.split(pixels, step), strict=True):
            numbers.copy_(some).mul_(self.processor.rescale_factor).sub_(mean).div_(std)
        return pixels

    @property
    def is_hf(self) -> bool:
        """Whether the processor is one of transformers, whose settings say all about it."""
        from transformers.image_processing_utils import BaseImageProcessor

        return isinstance(self.processor, BaseImageProcessor)

    @property
    def fingerprint(self) -> str | None:
        """What the bytes of an image depend on beside the image; None where that is not known."""
        if not self.is_hf:
            return None
        kind = type(self.processor)
        return digest(kind.__module__, kind.__qualname__, self.processor.to_json_string(), PIL.__version__)

    @cached_property
    def _shortcut(self) -> ResizeAndCrop | None:
        return ResizeAndCrop.of(self.processor) if self._normalises_late else None

    @property
    def _normalises_late(self) -> bool:
        return self.is_hf and bool(self.processor.do_rescale) and bool(self.processor.do_normalize)


@dataclass(frozen=True)
class EncodedImages(Dataset[tuple[Tensor, int]]):
    """A data set of encoded images and labels."""

    images: LabelledImages | CorruptedImages
    transform: PixelTransform

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> Tensor:
        """One encoded image, whose label is not looked at."""
        return self._encode(self.images.row(index), index)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.images[index]
        return self.transform.encode(image), label

    def batch(self, indices: Sequence[int], threads: ThreadPoolExecutor) -> tuple[Tensor, Tensor]:
        """Some images ``(images, channels, height, width)`` and their labels ``(images,)``.

        Rows are read here and one by one; what is ours or Pillow's to do with them is done in the threads.
        """
        rows = [self.images.row(index) for index in indices]
        if not self.transform.is_hf:
            encoded = [self._encode(row, index) for row, index in zip(rows, indices, strict=True)]
        else:
            encoded = list(threads.map(self._encode, rows, indices))
        labels = [self.images.label(row, index) for row, index in zip(rows, indices, strict=True)]
        return torch.stack(encoded), torch.tensor(labels)

    @property
    def key(self) -> str | None:
        """What to find the encoded images by; None where images or preprocessing cannot be told from others."""
        parts = (self.images.fingerprint, self.transform.fingerprint)
        return None if None in parts else digest(*parts)

    def _encode(self, row: Any, index: int) -> Tensor:
        return self.transform.encode(self.images.image(row, index))
