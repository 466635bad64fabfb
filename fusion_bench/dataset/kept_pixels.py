"""What takes preprocessed images in one pass and gives them back in later ones."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]


class Kept(Protocol):
    """Preprocessed images that need not be prepared again."""

    def batch(self, start: int, stop: int) -> Batch:
        """Images and labels from ``start`` to before ``stop``."""
        ...


class Sink(Protocol):
    """Takes all images of a pass, in order."""

    def add(self, pixels: Tensor, labels: Tensor) -> None:
        """Take the next images."""
        ...

    def finish(self) -> None:
        """Say that there are no more."""
        ...

    def abandon(self) -> None:
        """Give up what is not finished."""
        ...


class MemoryPixels:
    """Images in memory, a sink and what is kept in one."""

    def __init__(self, count: int, like: Tensor) -> None:
        self._pixels = torch.empty((count, *like.shape), dtype=like.dtype)
        self._labels = torch.empty(count, dtype=torch.int64)
        self._count = 0

    def add(self, pixels: Tensor, labels: Tensor) -> None:
        """Copy the next images."""
        end = self._count + len(pixels)
        self._pixels[self._count : end], self._labels[self._count : end] = pixels, labels
        self._count = end

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return self._pixels.numel() * self._pixels.element_size()

    def finish(self) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """Nothing has to be put away."""

    def batch(self, start: int, stop: int) -> Batch:
        """Images and labels from ``start`` to before ``stop``, as views."""
        return self._pixels[start:stop], self._labels[start:stop]
