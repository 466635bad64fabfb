"""Running statistics of batch normalisations, estimated anew for a model whose weights were changed."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(model: nn.Module) -> list[nn.Module]:
    """The batch normalisations of a model that keep running statistics."""
    return [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]


def reestimate_(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Overwrite the running statistics of ``model`` by the mean of those of the batches; modes stay as they were.

    Args:
        model: computed in training mode, as far as its normalisations are concerned.
        batches: inputs, each batch a mixture of all that the model is to work on.

    Raises:
        ValueError: if there is no batch.
    """
    layers = batch_norms(model)
    training = {id(layer): layer.training for layer in model.modules()}
    momentum = [layer.momentum for layer in layers]
    model.eval()
    count = 0
    try:
        for layer in layers:
            layer.reset_running_stats()  # type: ignore[operator]  # modules are typed as tensors
            layer.momentum = None  # type: ignore[assignment]  # the mean over all batches
            layer.train()
        with torch.no_grad():
            for batch in batches:
                model(batch)
                count += 1
    finally:
        for layer, before in zip(layers, momentum, strict=True):
            layer.momentum = before
        for module in model.modules():
            module.training = training[id(module)]
    if not count:
        raise ValueError("no data was given to estimate the statistics of batch normalisations on")
