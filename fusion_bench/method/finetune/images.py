"""The training images, drawn in an order that depends on the seed alone, and kept in memory where they fit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fusion_bench.utils.rng import generator_for

if TYPE_CHECKING:
    from fusion_bench.method.finetune.pools import Images

log = logging.getLogger(__name__)

KEPT_BYTES = 4 << 30


class TrainingImages:
    """Batches by step. Every image is used once before any is used again, in a new order each time.

    Args:
        images: the data set; an image is read and preprocessed when it is first drawn.
        batch_size: images a batch; more than there are is fine.
        seed: seed of the orders.
        cache: keep preprocessed images in memory, as bytes where the preprocessing allows, if all of them together
            take no more than 4 GiB.
    """

    def __init__(self, images: Images, *, batch_size: int, seed: int, cache: bool) -> None:
        self._images = images
        self._batch_size = batch_size
        self._seed = seed
        self._epoch: tuple[int, Tensor] | None = None
        self._kept: Tensor | None = None
        self._labels = torch.zeros(len(images), dtype=torch.long)
        self._is_kept = [False] * len(images)
        if cache:
            self._reserve()

    def __len__(self) -> int:
        return len(self._images)

    def indices(self, step: int) -> list[int]:
        """The numbers of the images of a step, counted from 1; the same whatever was asked for before."""
        start = (step - 1) * self._batch_size
        return [self._at(position) for position in range(start, start + self._batch_size)]

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Encoded images and labels of a step, on the CPU."""
        chosen = self.indices(step)
        if self._kept is None:
            encoded, labels = zip(*(self._images[index] for index in chosen), strict=True)
            return torch.stack(encoded), torch.tensor(labels)
        for index in chosen:
            if not self._is_kept[index]:
                self._kept[index], self._labels[index] = self._images[index]
                self._is_kept[index] = True
        return self._kept[chosen], self._labels[chosen]

    def decode(self, encoded: Tensor) -> Tensor:
        """Pixel values ``(images, channels, height, width)`` of a batch, on its device."""
        pixels: Tensor = self._images.transform.decode(encoded)
        return pixels

    def _at(self, position: int) -> int:
        """The image at a position in the endless row of epochs."""
        epoch, place = divmod(position, len(self._images))
        if self._epoch is None or self._epoch[0] != epoch:
            order = torch.randperm(len(self._images), generator=generator_for(self._seed, "order", epoch))
            self._epoch = epoch, order
        return int(self._epoch[1][place])

    def _reserve(self) -> None:
        first, _ = self._images[0]
        size = len(self._images) * first.numel() * first.element_size()
        if size <= KEPT_BYTES:
            self._kept = torch.empty((len(self._images), *first.shape), dtype=first.dtype)
            return
        log.info(
            "the %d training images take %.1f GiB, more than the %.0f GiB that are kept in memory: they are "
            "preprocessed anew whenever they are drawn",
            len(self._images), size / 2**30, KEPT_BYTES / 2**30,
        )  # fmt: skip
