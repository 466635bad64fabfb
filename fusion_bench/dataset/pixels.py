"""From images to batches of pixel values, kept in memory as bytes where they fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from fusion_bench.dataset.corruptions.images import CorruptedImages
from fusion_bench.dataset.images import LabelledImages

Batch = tuple[Tensor, Tensor]
DEFAULT_BATCH_SIZE = 128
_OWN_OPTIONS = ("dataset", "sampler", "batch_sampler", "collate_fn")


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
        if not self._is_hf:
            made: Tensor = self.processor(image)
            if not isinstance(made, Tensor):
                raise TypeError(f"the data processor must turn an image into a tensor, it gave a {type(made).__name__}")
            return made
        late = {"do_rescale": False, "do_normalize": False} if self._normalises_late else {}
        pixels: Tensor = self.processor(images=[image], return_tensors="pt", **late)["pixel_values"][0]
        return pixels

    def decode(self, encoded: Tensor) -> Tensor:
        """Pixel values ``(images, channels, height, width)``, float32 unless a function made them otherwise."""
        if encoded.dtype != torch.uint8 or not self._normalises_late:
            return encoded
        mean = torch.tensor(self.processor.image_mean, device=encoded.device).view(-1, 1, 1)
        std = torch.tensor(self.processor.image_std, device=encoded.device).view(-1, 1, 1)
        pixels: Tensor = (encoded.float() * self.processor.rescale_factor - mean) / std
        return pixels

    @property
    def _is_hf(self) -> bool:
        from transformers.image_processing_utils import BaseImageProcessor

        return isinstance(self.processor, BaseImageProcessor)

    @property
    def _normalises_late(self) -> bool:
        return self._is_hf and bool(self.processor.do_rescale) and bool(self.processor.do_normalize)


@dataclass(frozen=True)
class EncodedImages(Dataset[tuple[Tensor, int]]):
    """A data set of encoded images and labels."""

    images: LabelledImages | CorruptedImages
    transform: PixelTransform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.images[index]
        return self.transform.encode(image), label


class PixelBatches:
    """The batches of a data set; those of the first complete pass are kept if they are small enough.

    Args:
        encoded: the data set.
        options: arguments of ``DataLoader``; every image is always scored once, in order.
        keep_bytes: keep the batches if they take no more memory than this.
        first_only: only the first batch.

    Raises:
        ValueError: for options that would leave out, repeat or reorder images.
    """

    def __init__(
        self, encoded: EncodedImages, options: Mapping[str, Any], *, keep_bytes: int, first_only: bool = False
    ) -> None:
        check_loader_options(options)
        # A loader without a generator of its own draws from the global random state.
        options = {"batch_size": DEFAULT_BATCH_SIZE, "generator": torch.Generator(), **options}
        count = min(len(encoded), int(options["batch_size"])) if first_only else len(encoded)
        self._loader = DataLoader(Subset(encoded, range(count)), **options)
        first, _ = encoded[0]
        size = count * first.numel() * first.element_size()
        self.kept_bytes = size if size <= keep_bytes else 0
        self._kept: list[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        """Encoded images and labels, on the CPU."""
        if self._kept is not None:
            yield from self._kept
            return
        seen: list[Batch] = []
        for images, labels in self._loader:
            if self.kept_bytes:
                seen.append((images, labels))
            yield images, labels
        self._kept = seen if self.kept_bytes else None


def check_loader_options(options: Mapping[str, Any]) -> None:
    """Check that a data loader with these options gives every image once, in order.

    Raises:
        ValueError: naming the option that does not.
    """
    for option in ("shuffle", "drop_last"):
        if options.get(option):
            raise ValueError(f"dataloader_kwargs.{option} must be false for scoring: every image counts once, in order")
    for option in _OWN_OPTIONS:
        if option in options:
            raise ValueError(f"dataloader_kwargs.{option} cannot be set: the task pool decides it")
