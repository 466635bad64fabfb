"""Networks through ``torch.compile``, which is done once for all models of one architecture."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from fusion_bench.models.task_models import TaskModels


class CompiledNetwork(nn.Module):
    """A copy of a network that is compiled for one size of batches; smaller ones are filled up.

    Args:
        network: gives a tensor, or an object whose attributes are tensors, with one row an image.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self._shapes = _shapes(network)
        self._compiled: Any = torch.compile(self.network, dynamic=False)
        self._batch_size = 0

    def fits(self, network: nn.Module) -> bool:
        """Whether a network differs in the values of its tensors only."""
        return type(network) is type(self.network) and _shapes(network) == self._shapes

    @torch.no_grad()
    def take_(self, network: nn.Module) -> None:
        """Overwrite the weights with those of a network that fits."""
        for ours, theirs in zip(_tensors(self.network), _tensors(network), strict=True):
            ours.copy_(theirs)

    def forward(self, *images: Tensor, **named: Tensor) -> Any:
        """What the network says to the images, given by place or by name."""
        (batch,) = [*images, *named.values()]
        count = len(batch)
        self._batch_size = max(self._batch_size, count)
        if count < self._batch_size:
            batch = torch.cat([batch, batch.new_zeros((self._batch_size - count, *batch.shape[1:]))])
        return _first_rows(self._compiled(**dict.fromkeys(named, batch)) if named else self._compiled(batch), count)


class CompiledNetworks:
    """Compiled networks that take the weights of one model after the other."""

    def __init__(self) -> None:
        self._kept: list[CompiledNetwork] = []

    def of(self, models: Sequence[nn.Module]) -> list[nn.Module]:
        """A compiled network with the weights of each; to be used before the next call.

        Of a :class:`TaskModels` the network of each task is compiled.
        """
        parts = [list(model.models) if isinstance(model, TaskModels) else [model] for model in models]
        for place, network in enumerate(network for part in parts for network in part):
            with torch.inference_mode(False):
                if place < len(self._kept) and self._kept[place].fits(network):
                    self._kept[place].take_(network)
                else:
                    self._kept[place:] = [CompiledNetwork(network)]
        compiled = iter(self._kept)
        found = [[next(compiled) for _ in part] for part in parts]
        return [
            TaskModels.apart(model.task_names, networks) if isinstance(model, TaskModels) else networks[0]
            for model, networks in zip(models, found, strict=True)
        ]


def is_compiled(model: nn.Module) -> bool:
    """Whether a network, or one of those of several tasks, was compiled."""
    return any(isinstance(module, CompiledNetwork) for module in model.modules())


def _first_rows(outputs: Any, count: int) -> Any:
    if isinstance(outputs, Tensor):
        return outputs[:count]
    entries = outputs.items() if isinstance(outputs, Mapping) else vars(outputs).items()
    return SimpleNamespace(**{name: value[:count] for name, value in entries if isinstance(value, Tensor)})


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _shapes(network: nn.Module) -> list[Any]:
    return [(tensor.shape, tensor.dtype, tensor.device) for tensor in _tensors(network)]
