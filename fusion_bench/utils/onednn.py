"""Linear layers by oneDNN on a processor, where torch itself would call the BLAS it was built with.

MKL, which that usually is, leaves half of the arithmetic units of other makers' processors idle in float32; oneDNN,
which is part of torch as well, does not. Its results depend neither on where in memory a matrix begins nor on which
rows are multiplied together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

from fusion_bench.functional.products import onednn_linear, onednn_takes


class FastLinear(TorchFunctionMode):
    """A context in which ``torch.nn.functional.linear`` is oneDNN's; each thread enters one of its own.

    Results differ from torch's own by rounding. Under autocast, weights are converted once for all threads that share
    ``converted``, also those that need no gradient.

    Args:
        converted: filled with what was converted; weights must not change while it is in use.
    """

    def __init__(self, converted: dict[int, tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self._converted = converted

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is linear and not kwargs and args[0].device.type == "cpu":
            return self._linear(*args)
        return func(*args, **(kwargs or {}))

    def _linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            bias = None if bias is None else self._convert(bias, dtype)
            with torch.autocast("cpu", enabled=False):
                return linear(input.to(dtype), self._convert(weight, dtype), bias)
        if input.ndim > 1 and onednn_takes(input, weight):
            return onednn_linear(input, weight, bias)
        return linear(input, weight, bias)

    def _convert(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        kept = self._converted.get(id(tensor))
        if kept is None:
            # The tensor is kept as well: only as long as it lives, its id is its own.
            kept = self._converted[id(tensor)] = (tensor, tensor.to(dtype))
        return kept[1]
