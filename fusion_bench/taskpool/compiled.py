"""Vision towers through ``torch.compile``, which is done once for all models of one architecture."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


class CompiledTower(nn.Module):
    """A copy of a tower that is compiled for one size of batches; smaller ones are filled up.

    Args:
        tower: called with ``pixel_values``, gives ``pooler_output``.
    """

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = copy.deepcopy(tower)
        self._shapes = _shapes(tower)
        self._compiled: Any = torch.compile(self.tower, dynamic=False)
        self._batch_size = 0

    def fits(self, tower: nn.Module) -> bool:
        """Whether a tower differs in the values of its tensors only."""
        return type(tower) is type(self.tower) and _shapes(tower) == self._shapes

    @torch.no_grad()
    def take_(self, tower: nn.Module) -> None:
        """Overwrite the weights with those of a tower that fits."""
        for ours, theirs in zip(_tensors(self.tower), _tensors(tower), strict=True):
            ours.copy_(theirs)

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        """The ``pooler_output`` of the images, ``(images, hidden)``."""
        images = len(pixel_values)
        self._batch_size = max(self._batch_size, images)
        if images < self._batch_size:
            filling = pixel_values.new_zeros((self._batch_size - images, *pixel_values.shape[1:]))
            pixel_values = torch.cat([pixel_values, filling])
        return SimpleNamespace(pooler_output=self._compiled(pixel_values=pixel_values).pooler_output[:images])


class CompiledTowers:
    """Compiled towers that take the weights of one model after the other."""

    def __init__(self) -> None:
        self._kept: list[CompiledTower] = []

    def of(self, towers: Sequence[nn.Module]) -> list[nn.Module]:
        """A compiled tower with the weights of each; to be used before the next call."""
        for place, tower in enumerate(towers):
            with torch.inference_mode(False):
                if place < len(self._kept) and self._kept[place].fits(tower):
                    self._kept[place].take_(tower)
                else:
                    self._kept[place:] = [CompiledTower(tower)]
        return list(self._kept[: len(towers)])


def _tensors(tower: nn.Module) -> list[Tensor]:
    return [*tower.parameters(), *tower.buffers()]


def _shapes(tower: nn.Module) -> list[Any]:
    return [(tensor.shape, tensor.dtype, tensor.device) for tensor in _tensors(tower)]
