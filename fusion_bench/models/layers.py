"""Which parameters of an architecture are weights of linear layers."""

from __future__ import annotations

from torch import nn


def linear_weight_names(module: nn.Module) -> tuple[str, ...]:
    """Names, as in the state dict, of the weights of ``nn.Linear`` modules, in the order of the model."""
    return tuple(
        f"{name}.weight" if name else "weight" for name, layer in module.named_modules() if isinstance(layer, nn.Linear)
    )
