"""Exact magnitude trimming of a long vector that is given tensor by tensor and never joined.

A strided sample brackets the cut-off between two of its magnitudes. One pass over the tensors counts what lies from the
bracket on and gathers what lies strictly within, a few entries in a thousand, and among those the selection is exact.
A bracket that misses is widened: the sample decides how long the search takes, never what it finds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

T = TypeVar("T")
Magnitudes = npt.NDArray[np.floating[Any]]

LoadTensor = Callable[[str], Tensor]
"""Gives the tensor of that name."""


class MapNames(Protocol):
    """Applies a function to every name; results by name, in the order of the names."""

    def __call__(self, function: Callable[[str], T], names: Sequence[str]) -> dict[str, T]:
        """``{name: function(name)}``."""
        ...


_CHUNK = 1 << 16  # entries looked at together, few enough to stay in the cache
_STRIDE = 251  # of the sample; a prime, so that the sample visits every column of a matrix
_DEVIATIONS = 5  # half width of the first bracket, in standard deviations of the sample's rank


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
        load: gives a finite floating-point tensor by name; called once a name and pass, of which there are mostly two.
        names: the tensors that form the vector.
        keep: share of entries to keep, in (0, 1].
        dtype: float32 or float64, at least as wide as every tensor.
        map_tensors: runs a function over names.

    Returns:
        A tensor of shape () in ``dtype``; 0 where everything is kept.

    Raises:
        ValueError: if an entry is not a number.
    """
    samples = {} if keep == 1 else map_tensors(lambda name: strided_sample(load(name).to(dtype)), names)
    entries = sum(sample.entries for sample in samples.values())
    if entries == 0:
        return torch.zeros((), dtype=dtype)
    sample = np.sort(np.concatenate([sample.magnitudes for sample in samples.values()]))
    rank = math.ceil(keep * entries)
    margin = 1 + _DEVIATIONS * math.sqrt(sample.size * keep * (1 - keep))
    while True:
        low, high = bracket(sample, float(keep), margin)
        found = _select(_scan_all(load, names, low, high, dtype, map_tensors), rank, low, high)
        if found is not None:
            return torch.tensor(found, dtype=dtype)
        if (low, high) == (0, math.inf):
            raise ValueError("the vector to be trimmed holds an entry that is not a number")
        margin *= 4


def trim(tensor: Tensor, cutoff: Tensor) -> Tensor:
    """``tensor`` with the entries below ``cutoff`` in magnitude set to zero; ``cutoff`` has shape ()."""
    limit = cutoff.to(tensor.dtype)  # becomes the largest number of that dtype below the cut-off
    if limit >= cutoff:
        limit = torch.nextafter(limit, torch.full_like(limit, -math.inf))
    return torch.nn.functional.hardshrink(tensor, float(limit))  # keeps the magnitudes above a limit


class Sample(NamedTuple):
    """Magnitudes of some entries of a tensor."""

    magnitudes: Magnitudes
    entries: int  # of the whole tensor


class Scan(NamedTuple):
    """What one pass sees of the magnitudes around a bracket ``low <= high``."""

    above: int  # number above high
    from_high: int  # number at or above high
    within: Sequence[Magnitudes]  # those strictly between
    from_low: int  # number at or above low


def strided_sample(tensor: Tensor) -> Sample:
    """The magnitude of one entry in 251, the first one among them."""
    return Sample(tensor.reshape(-1)[::_STRIDE].abs().numpy(force=True), tensor.numel())


def bracket(sample: Magnitudes, keep: float, margin: float) -> tuple[float, float]:
    """Two magnitudes ``margin`` places below and above the one that splits off the ``keep`` share of largest ones.

    Args:
        sample: shape (s,), sorted upwards.
        keep: in (0, 1).
        margin: at least 1; where it leads out of the sample, the bound is 0 or infinity.
    """
    split = (1 - keep) * sample.size
    low, high = math.floor(split - margin), math.ceil(split + margin)
    return (float(sample[low]) if low >= 0 else 0.0, float(sample[high]) if high < sample.size else math.inf)


def scan(tensor: Tensor, low: float, high: float) -> Scan:
    """Count and gather the magnitudes of ``tensor`` around ``low <= high``."""
    # NumPy compares and counts several times faster on the CPU than torch does.
    above = from_high = from_low = 0
    within = []
    for part in torch.split(tensor.reshape(-1), _CHUNK):
        magnitudes = part.abs().numpy(force=True)
        is_from_high = magnitudes >= high
        above += np.count_nonzero(magnitudes > high)
        from_high += np.count_nonzero(is_from_high)
        from_low += np.count_nonzero(magnitudes >= low)
        within.append(magnitudes[(magnitudes > low) & ~is_from_high])
    return Scan(above, from_high, within, from_low)


def _scan_all(
    load: LoadTensor, names: Sequence[str], low: float, high: float, dtype: torch.dtype, map_tensors: MapNames
) -> Iterable[Scan]:
    return map_tensors(lambda name: scan(load(name).to(dtype), low, high), names).values()


def _select(scans: Iterable[Scan], rank: int, low: float, high: float) -> float | None:
    """The ``rank``-th largest magnitude, None if it lies outside the bracket."""
    above, from_high, parts, from_low = zip(*scans, strict=True)
    within = np.concatenate([magnitudes for part in parts for magnitudes in part])
    if not sum(above) < rank <= sum(from_low):
        return None
    behind = rank - sum(from_high)  # place among those within, the largest first
    if behind <= 0:
        return high
    if behind > within.size:
        return low
    return float(np.partition(within, within.size - behind)[within.size - behind])
