"""Exact magnitude trimming of a long vector that is given tensor by tensor and never joined.

The cut-off is found by radix selection: the bit pattern of ``|x|``, read as an integer, orders like ``|x|`` itself, so
counting digits of 11 bits from the top narrows the wanted value down exactly, in one pass over the tensors a digit
(three for float32). Besides the tensor at hand a pass holds 2048 counters per tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import torch
from torch import Tensor

LoadTensor = Callable[[str], Tensor]
"""Gives the tensor of that name."""

MapNames = Callable[[LoadTensor, Sequence[str]], dict[str, Tensor]]
"""Applies a function to every name; results by name, in the order of the names."""

_DIGIT_BITS = 11
_BINS = 1 << _DIGIT_BITS
_CHUNK = 1 << 20  # entries looked at together, to keep temporaries small
_INTEGERS = {torch.float32: torch.int32, torch.float64: torch.int64}


def keep_fraction(threshold: float) -> Fraction:
    """The share of entries to keep, in (0, 1], as an exact fraction of the decimal number given.

    Args:
        threshold: a fraction in (0, 1], or a percentage in (1, 100]; 1 and 100 both keep everything.

    Raises:
        ValueError: if ``threshold`` is outside (0, 100].
    """
    if not 0 < threshold <= 100:
        raise ValueError(f"threshold must be a fraction in (0, 1] or a percentage in (1, 100], got {threshold}")
    exact = Fraction(str(threshold))
    return exact / 100 if exact > 1 else exact


def magnitude_cutoff(
    load: LoadTensor, names: Sequence[str], keep: Fraction, *, dtype: torch.dtype, map_tensors: MapNames
) -> Tensor:
    """The k-th largest magnitude, k = ceil(keep · n), over the n entries of all tensors together.

    Keeping the entries with ``|x| >= cutoff`` keeps k of them, and those tied with the k-th besides. Rounding up keeps
    at least one entry at any ``keep`` and all of them at 1. Where keep · n is no integer this is the ⌊keep · n⌋ + 1 of
    published code; where it is one, such as 20 % of 10, exactly that many are kept, not one more.

    Args:
        load: gives a finite floating-point tensor by name; called once a name and pass.
        names: the tensors that form the vector.
        keep: share of entries to keep, in (0, 1].
        dtype: float32 or float64, at least as wide as every tensor.
        map_tensors: runs a function over names.

    Returns:
        A tensor of shape () in ``dtype``; 0 where everything is kept.
    """
    integer = _INTEGERS[dtype]
    cutoff = torch.zeros((), dtype=dtype)
    if keep == 1:
        return cutoff
    prefix = rank = 0
    for shift in range(_top_shift(dtype), -1, -_DIGIT_BITS):
        counts = _count_all(load, names, prefix, shift, dtype, map_tensors)
        if shift == _top_shift(dtype):
            entries = int(counts.sum())
            if entries == 0:
                return cutoff
            rank = entries - math.ceil(keep * entries) + 1  # of the cut-off among the magnitudes, smallest first
        up_to = counts.cumsum(0)
        digit = int(torch.searchsorted(up_to, rank))
        rank -= int(up_to[digit] - counts[digit])
        prefix = prefix << _DIGIT_BITS | digit
    return torch.tensor(prefix, dtype=integer).view(dtype)


def trim(tensor: Tensor, cutoff: Tensor) -> Tensor:
    """``tensor`` with the entries below ``cutoff`` in magnitude set to zero; ``cutoff`` has shape ()."""
    magnitude = tensor.abs().to(torch.promote_types(tensor.dtype, cutoff.dtype))
    return torch.where(magnitude >= cutoff, tensor, torch.zeros((), dtype=tensor.dtype, device=tensor.device))


def _count_all(
    load: LoadTensor, names: Sequence[str], prefix: int, shift: int, dtype: torch.dtype, map_tensors: MapNames
) -> Tensor:
    """The sum over all tensors of :func:`digit_counts`."""

    def count(name: str) -> Tensor:
        return digit_counts(load(name).to(dtype), prefix, shift)

    return sum(map_tensors(count, names).values(), start=torch.zeros(_BINS, dtype=torch.int64))


def digit_counts(tensor: Tensor, prefix: int, shift: int) -> Tensor:
    """How often each value of one 11-bit digit of ``|x|`` occurs among the entries whose higher bits are ``prefix``.

    Args:
        tensor: float32 or float64, any shape.
        prefix: the bits above the digit.
        shift: number of bits below the digit.

    Returns:
        int64 counts of shape (2048,), on the CPU.
    """
    counts = torch.zeros(_BINS, dtype=torch.int64, device=tensor.device)
    for part in torch.split(tensor.flatten(), _CHUNK):
        upper = part.abs().view(_INTEGERS[tensor.dtype]) >> shift
        if shift < _top_shift(tensor.dtype):  # else there are no higher bits
            upper = upper[upper >> _DIGIT_BITS == prefix]
        counts += torch.bincount(upper & (_BINS - 1), minlength=_BINS)
    return counts.cpu()


def _top_shift(dtype: torch.dtype) -> int:
    """Number of bits below the highest digit of a magnitude: 22 for float32, 55 for float64."""
    return (torch.finfo(dtype).bits - 2) // _DIGIT_BITS * _DIGIT_BITS
