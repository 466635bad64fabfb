"""Products of matrices in float32 as fast as a processor allows.

Torch leaves them to the BLAS it was built with. MKL, which that usually is, uses half of the arithmetic units of other
makers' processors; oneDNN, which is part of torch as well, uses all of them on each.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def product(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right`` of two matrices of one dtype, any layout."""
    if onednn_takes(left, right):
        return onednn_linear(left, right.T)
    return left @ right


def onednn_takes(*operands: Tensor) -> bool:
    """Whether :func:`onednn_linear` is for these: float32 on the CPU, not empty, with a torch that has oneDNN."""
    fit = (one.dtype == torch.float32 and one.device.type == "cpu" and one.numel() > 0 for one in operands)
    return all(fit) and _has_onednn()


def onednn_linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``; ``input`` is ``(..., n)``, ``weight`` ``(m, n)``."""
    if not weight.is_contiguous() and not weight.T.is_contiguous():
        weight = weight.contiguous()  # oneDNN takes other layouts, at a hundredth of the speed
    result: Tensor = torch.ops.mkldnn._linear_pointwise(input.contiguous(), weight, bias, "none", [], "")
    return result


@cache
def _has_onednn() -> bool:
    return torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
