"""Named tensors of a model, held in memory or computed on demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor

Params = Mapping[str, Tensor]
"""Parameters and buffers by name: a ``dict``, a memory-mapped checkpoint, or :class:`LazyParams`."""


class LazyParams(Mapping[str, Tensor]):
    """Tensors computed each time they are asked for, so that a merged model costs no memory until it is used."""

    def __init__(self, names: Iterable[str], make: Callable[[str], Tensor]) -> None:
        self._make = make
        self._names = dict.fromkeys(names)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


def on_device(params: Params, device: torch.device) -> Params:
    """``params`` whose tensors arrive on ``device``; the same object where nothing has to move."""
    if device.type == "cpu":
        return params
    return LazyParams(params, lambda name: params[name].to(device))


def is_mergeable(tensor: Tensor) -> bool:
    """Whether a tensor takes part in merging: floating point, not an index or a counter."""
    return tensor.is_floating_point()


def work_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype merging arithmetic uses for ``tensor``: its own, but at least float32."""
    return torch.promote_types(tensor.dtype, torch.float32)


def task_vector(params: Params, base: Params, name: str) -> Tensor:
    """``params[name] - base[name]`` in at least float32, shape of the parameter."""
    origin = base[name]
    dtype = work_dtype(origin)
    return params[name].to(dtype) - origin.to(dtype)


def squared_norm(tensor: Tensor) -> float:
    """Sum of squares of all entries, accumulated in float64."""
    flat = tensor.flatten()
    if flat.dtype == torch.float64:
        return float(torch.dot(flat, flat))
    # Chunks keep the float64 copy small; their order is fixed, so the result is reproducible.
    return math.fsum(float(part.double().square().sum()) for part in torch.split(flat, 1 << 17))
