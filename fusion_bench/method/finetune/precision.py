"""Mixed precision: the dtype a run computes in, and the loss scale that float16 needs.

Micikevicius et al., "Mixed precision training" (ICLR 2018): small gradients vanish in float16, so the loss is
multiplied by a scale, and the gradients of the float32 weights are divided by it. The scale grows until gradients
overflow; a step whose gradients overflow is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from fusion_bench.runtime import Runtime

SMALLEST_SCALE = 2.0**-24  # gradients that overflow even so are not finite in any precision


def precision_of(runtime: Runtime) -> str:
    """The dtype that autocast computes in, such as ``bfloat16``; ``float32`` where it is off."""
    kind = runtime.device.type
    with runtime.autocast():
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    return str(dtype).removeprefix("torch.")


def make_scaler(runtime: Runtime) -> torch.amp.GradScaler:
    """The loss scale of a run: one that adapts itself for float16, else the constant 1."""
    return torch.amp.GradScaler(runtime.device.type, enabled=precision_of(runtime) == "float16")


def has_vanished(scaler: torch.amp.GradScaler) -> bool:
    """Whether the gradients overflowed so often that no scale is left."""
    return scaler.is_enabled() and scaler.get_scale() < SMALLEST_SCALE
