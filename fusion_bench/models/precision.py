"""Half precision where a processor computes it: far slower than float32, so that a model is computed in that."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def is_half(model: nn.Module) -> bool:
    """Whether a model has parameters in half precision."""
    return any(parameter.dtype in (torch.float16, torch.bfloat16) for parameter in model.parameters())


def computable_(model: nn.Module) -> nn.Module:
    """The model itself, overwritten by float32 where it is half precision on a CPU."""
    on_cpu = all(parameter.device.type == "cpu" for parameter in model.parameters())
    return model.float() if on_cpu and is_half(model) else model


def dtypes_of(model: nn.Module) -> dict[str, torch.dtype]:
    """The dtype of every parameter and buffer by name."""
    return {name: tensor.dtype for name, tensor in [*model.named_parameters(), *model.named_buffers()]}


def stored_(model: nn.Module, dtypes: Mapping[str, torch.dtype]) -> nn.Module:
    """The model itself, its tensors rounded to the dtypes they were stored in."""
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        tensor.data = tensor.data.to(dtypes[name])
    return model
