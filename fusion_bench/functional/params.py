"""Named tensors of a model, held in memory or computed on demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor

Params = Mapping[str, Tensor]
"""Parameters and buffers by name: a ``dict``, a memory-mapped checkpoint, or :class:`LazyParams`."""

_CHUNK = 1 << 16  # entries whose squares are added up at a time


class LazyParams(Mapping[str, Tensor]):
    """Tensors computed each time they are asked for, so that a merged model costs no memory until it is used.

    Args:
        names: the names, in order.
        make: computes a tensor.
        like: tensors of the same names, shapes and dtypes, which tell them without computing; None if there are none.
        owner_of: which of several processes holds what a tensor is computed from; those not named are of the first.
    """

    def __init__(
        self,
        names: Iterable[str],
        make: Callable[[str], Tensor],
        like: Params | None = None,
        owner_of: Mapping[str, int] | None = None,
    ) -> None:
        self._make = make
        self._names = dict.fromkeys(names)
        self._like = like
        self._owner_of = owner_of or {}

    def renamed(self, old_names: Mapping[str, str]) -> LazyParams:
        """The tensors that ``old_names`` lists as ``{new name: name here}``, in that order."""
        like = self._like
        return LazyParams(
            old_names,
            lambda name: self[old_names[name]],
            like=None if like is None else LazyParams(old_names, lambda name: like[old_names[name]]),
            owner_of={new: self.owner_of(old) for new, old in old_names.items()},
        )

    def owner_of(self, name: str) -> int:
        """The process that holds what ``name`` is computed from."""
        return self._owner_of.get(name, 0)

    @property
    def like(self) -> Params | None:
        """Tensors of the same names, shapes and dtypes, without computing; None if that is not known."""
        return self._like

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
    return LazyParams(params, lambda name: params[name].to(device), like=params)


def is_mergeable(tensor: Tensor) -> bool:
    """Whether a tensor takes part in merging: floating point, not an index or a counter."""
    return tensor.is_floating_point()


def work_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype merging arithmetic uses for ``tensor``: its own, but at least float32."""
    return torch.promote_types(tensor.dtype, torch.float32)


def task_vector(params: Params, base: Params, name: str, *, out: Tensor | None = None) -> Tensor:
    """``params[name] - base[name]`` in at least float32, shape of the parameter.

    Args:
        params: the parameters of a fine-tuned model.
        base: those of the model that it was fine-tuned from.
        name: of the tensor.
        out: takes the result; None makes a new tensor.
    """
    origin = base[name]
    dtype = work_dtype(origin)
    return torch.sub(params[name].to(dtype), origin.to(dtype), out=out)


def squared_norm(tensor: Tensor) -> float:
    """Sum of squares of all entries, accumulated in float64."""
    flat = tensor.flatten()
    if flat.dtype == torch.float64:
        return float(torch.dot(flat, flat))
    # Chunks keep the float64 copy in a cache; their order is fixed, so the result is reproducible.
    wide = flat.new_empty(min(len(flat), _CHUNK), dtype=torch.float64)
    parts = torch.split(flat, _CHUNK)
    return math.fsum(float(wide[: len(part)].copy_(part).square_().sum()) for part in parts)
