"""TIES: trim every vector, elect a sign per entry, merge the entries that agree with it.

Yadav et al., "TIES-Merging: Resolving Interference When Merging Models", NeurIPS 2023, arXiv 2306.01708.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

import torch
from torch import Tensor

from fusion_bench.functional.params import Params, work_dtype
from fusion_bench.functional.sparsify import LoadTensor, MapNames, magnitude_cutoff, trim

_CHUNK = 1 << 16  # entries merged together, few enough for their temporaries to stay in the cache


def elect_signs(vectors: Sequence[Tensor], fallback: float) -> Tensor:
    """The sign of the sum of ``vectors`` per entry; ``fallback`` (-1, 0 or 1) where the sum is zero.

    Entries that nearly cancel get the sign of the true sum: a sum of two has it in any precision, more are added in
    float64.
    """
    total = vectors[0].to(torch.float64 if len(vectors) > 2 else vectors[0].dtype, copy=True)
    for vector in vectors[1:]:
        total += vector
    signs = total.sign_().to(vectors[0].dtype)
    return signs.add_(1 - signs.abs(), alpha=fallback)  # the second term is 0 where there is a sign


def disjoint_merge(vectors: Sequence[Tensor], signs: Tensor, merge_func: str) -> Tensor:
    """Merge, per entry, the vectors that have the elected sign; 0 where none has it.

    Args:
        vectors: tensors of one shape.
        signs: the elected signs, same shape; entries with sign 0 merge to 0.
        merge_func: ``sum``, ``mean`` (over the vectors that agree, zeros not counted) or ``max`` (largest magnitude).

    Raises:
        ValueError: if ``merge_func`` is none of these.
    """
    check_merge_func(merge_func)
    return _MERGE_FUNCTIONS[merge_func](vectors, signs)


@dataclass(frozen=True, kw_only=True)
class TiesPlan:
    """What merging one tensor has to know of the whole vectors.

    Args:
        cutoffs: one a vector, the smallest magnitude that survives its trim; tensors of shape ().
        fallback: the sign (-1, 0 or 1) elected where the sum of the trimmed entries is zero.
        merge_func: see :func:`disjoint_merge`.
    """

    cutoffs: Sequence[Tensor]
    fallback: float
    merge_func: str


def plan_ties(
    vectors: Sequence[LoadTensor],
    names: Sequence[str],
    *,
    keep: Fraction,
    merge_func: str,
    dtype: torch.dtype,
    map_tensors: MapNames,
) -> TiesPlan:
    """Look at all vectors: each is trimmed as a whole; the fallback is the sign of the sum of all trimmed entries.

    Args:
        vectors: each gives the tensors of one vector by name.
        names: the tensors that form a vector.
        keep: share of entries kept, in (0, 1].
        merge_func: see :func:`disjoint_merge`.
        dtype: float32 or float64, at least as wide as every tensor.
        map_tensors: runs a function over names.
    """
    cutoffs = [magnitude_cutoff(load, names, keep, dtype=dtype, map_tensors=map_tensors) for load in vectors]

    def total(name: str) -> float:
        return math.fsum(trimmed_sum(load(name), cutoff) for load, cutoff in zip(vectors, cutoffs, strict=True))

    total_sum = math.fsum(map_tensors(total, names).values())
    fallback = math.copysign(1.0, total_sum) if total_sum else 0.0
    return TiesPlan(cutoffs=cutoffs, fallback=fallback, merge_func=merge_func)


def trimmed_sum(tensor: Tensor, cutoff: Tensor) -> float:
    """The sum of the entries that survive the trim, in float64."""
    parts = torch.split(tensor.reshape(-1), _CHUNK)
    return math.fsum(float(trim(part, cutoff).sum(dtype=torch.float64)) for part in parts)


def merge_tensors(tensors: Sequence[Tensor], plan: TiesPlan) -> Tensor:
    """TIES of one tensor of each vector, as a new tensor of their shape."""
    merged = torch.empty_like(tensors[0], memory_format=torch.contiguous_format)
    columns = [torch.split(tensor.reshape(-1), _CHUNK) for tensor in [merged, *tensors]]
    for target, *parts in zip(*columns, strict=True):
        trimmed = [trim(part, cutoff) for part, cutoff in zip(parts, plan.cutoffs, strict=True)]
        target.copy_(disjoint_merge(trimmed, elect_signs(trimmed, plan.fallback), plan.merge_func))
    return merged


def ties_merger(
    vectors: Sequence[LoadTensor],
    names: Sequence[str],
    *,
    keep: Fraction,
    merge_func: str,
    dtype: torch.dtype,
    map_tensors: MapNames,
) -> LoadTensor:
    """The function that merges one tensor; for the arguments see :func:`plan_ties`."""
    plan = plan_ties(vectors, names, keep=keep, merge_func=merge_func, dtype=dtype, map_tensors=map_tensors)
    return lambda name: merge_tensors([load(name) for load in vectors], plan)


def check_merge_func(name: str) -> None:
    """Check that there is a merge function of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in _MERGE_FUNCTIONS:
        raise ValueError(f"merge_func must be one of {', '.join(_MERGE_FUNCTIONS)}; got {name!r}")


def without(names: Sequence[str], remove_keys: Iterable[str]) -> list[str]:
    """``names`` less ``remove_keys``.

    Raises:
        TypeError: if ``remove_keys`` is one string instead of a list.
        ValueError: if a key is none of ``names``.
    """
    if isinstance(remove_keys, str):
        raise TypeError(f"remove_keys must be a list of tensor names, got the string {remove_keys!r}")
    removed = list(remove_keys)
    for key in removed:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=3)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else f"; they are {list(names)}"
            raise ValueError(f"remove_keys names {key!r}, which is no tensor that is merged{hint}")
    return [name for name in names if name not in removed]


def widest_dtype(params: Params, names: Iterable[str]) -> torch.dtype:
    """The dtype that holds every task vector of ``names`` exactly: float32 or float64."""
    return reduce(torch.promote_types, (work_dtype(params[name]) for name in names), torch.float32)


def _along(vector: Tensor, signs: Tensor) -> Tensor:
    """Magnitude of the entries that have the elected sign, 0 elsewhere."""
    return (vector * signs).clamp_(min=0)


def _sum(vectors: Sequence[Tensor], signs: Tensor) -> Tensor:
    total = torch.zeros_like(signs)
    for vector in vectors:
        total += _along(vector, signs)
    return total.mul_(signs)


def _mean(vectors: Sequence[Tensor], signs: Tensor) -> Tensor:
    count = torch.zeros_like(signs)
    for vector in vectors:
        count += _along(vector, signs).sign_()
    return _sum(vectors, signs).div_(count.clamp_(min=1))


def _max(vectors: Sequence[Tensor], signs: Tensor) -> Tensor:
    largest = torch.zeros_like(signs)
    for vector in vectors:
        largest = torch.maximum(largest, _along(vector, signs))
    return largest.mul_(signs)


_MERGE_FUNCTIONS: Mapping[str, Callable[[Sequence[Tensor], Tensor], Tensor]] = {"sum": _sum, "mean": _mean, "max": _max}
