"""Which parameters of a vision tower are trained, and with what optimiser and learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

TRAINED = ("all", "matrices", "attention")
SCHEDULES = ("constant", "cosine")
_LAYERS, _ATTENTION = "encoder.layers.", ".self_attn."
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def trained_names(model: nn.Module, trained: str) -> tuple[str, ...]:
    """Names, in the order of the model, of the parameters that a choice of :data:`TRAINED` stands for.

    ``matrices`` are the weights of ``nn.Linear`` modules inside the encoder layers, ``attention`` those of them in the
    self-attention; biases belong to neither.

    Raises:
        ValueError: if the model has no such parameter.
    """
    if trained == "all":
        return tuple(name for name, _ in model.named_parameters())
    names = tuple(
        f"{name}.weight"
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and _LAYERS in name and (trained == "matrices" or _ATTENTION in name)
    )
    if not names:
        raise ValueError(f"trained={trained} finds no weight to train in a {type(model).__name__}; use trained=all")
    return names


def select_(model: nn.Module, trained: str) -> dict[str, nn.Parameter]:
    """The trained parameters by name; ``requires_grad`` of every parameter is overwritten to match."""
    names = trained_names(model, trained)
    model.requires_grad_(False)
    chosen = {name: model.get_parameter(name) for name in names}
    for parameter in chosen.values():
        parameter.requires_grad_(True)
    return chosen


def make_optimiser(parameters: Iterable[nn.Parameter], weight_decay: float) -> torch.optim.Optimizer:
    """AdamW; as in the training of CLIP, gains, biases and other vectors do not decay."""
    listed = list(parameters)
    groups = [
        {"params": [parameter for parameter in listed if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in listed if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=0.0, fused=listed[0].device.type in ("cpu", "cuda"))


def learning_rate_at(step: int, *, peak: float, steps: int, warm_up: int, schedule: str) -> float:
    """The learning rate of a step, counted from 1: linear up to ``peak`` at the end of the warm-up, then the schedule.

    ``cosine`` falls to ``peak · ½(1 + cos(π t / T))``, with t of T steps since the warm-up.
    """
    if step <= warm_up:
        return peak * step / warm_up
    if schedule == "constant":
        return peak
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up - 1) / (steps - warm_up)))


def moments(optimiser: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """What AdamW remembers of each parameter, as ``step.NAME``, ``exp_avg.NAME`` and ``exp_avg_sq.NAME``.

    Nothing of a parameter that has not been stepped yet.
    """
    stepped = [name for name, parameter in parameters.items() if optimiser.state[parameter]]
    return {f"{key}.{name}": optimiser.state[parameters[name]][key] for key in _MOMENTS for name in stepped}


def restore_moments_(
    optimiser: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], saved: Mapping[str, Tensor]
) -> None:
    """Overwrite what AdamW remembers by what :func:`moments` gave."""
    for name, parameter in parameters.items():
        keys = [key for key in _MOMENTS if f"{key}.{name}" in saved]
        optimiser.state[parameter] = {key: saved[f"{key}.{name}"].to(parameter.device, copy=True) for key in keys}


@torch.no_grad()
def overwrite_(parameters: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> None:
    """Overwrite the values of parameters."""
    for name, parameter in parameters.items():
        parameter.copy_(values[name])
