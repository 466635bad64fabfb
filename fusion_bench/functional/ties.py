"""TIES: trim every vector, elect a sign per entry, merge the entries that agree with it.

Yadav et al., "TIES-Merging: Resolving Interference When Merging Models", NeurIPS 2023, arXiv 2306.01708.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import reduce

import torch
from torch import Tensor

from fusion_bench.functional.params import Params, work_dtype
from fusion_bench.functional.sparsify import LoadTensor, MapNames, magnitude_cutoff, trim


def elect_signs(vectors: Sequence[Tensor], fallback: float) -> Tensor:
    """The sign of the sum of ``vectors`` per entry; ``fallback`` (-1, 0 or 1) where the sum is zero.

    Entries that nearly cancel get the sign of the true sum: a sum of two has it in any precision, more are added in
    float64.
    """
    total = vectors[0].to(torch.float64 if len(vectors) > 2 else vectors[0].dtype, copy=True)
    for vector in vectors[1:]:
        total += vector
    signs = total.sign_().to(vectors[0].dtype)
    return signs.masked_fill_(signs == 0, fallback)


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


def ties_merger(
    vectors: Sequence[LoadTensor],
    names: Sequence[str],
    *,
    keep: Fraction,
    merge_func: str,
    dtype: torch.dtype,
    map_tensors: MapNames,
) -> LoadTensor:
    """Look at all vectors once and return the function that merges one tensor of them.

    Every vector is trimmed as a whole. Entries whose sum is zero take the sign of the sum over all entries of all
    trimmed vectors.

    Args:
        vectors: each gives the tensors of one vector by name.
        names: the tensors that form a vector.
        keep: share of entries kept, in (0, 1].
        merge_func: see :func:`disjoint_merge`.
        dtype: float32 or float64, at least as wide as every tensor.
        map_tensors: runs a function over names.
    """
    cutoffs = [magnitude_cutoff(load, names, keep, dtype=dtype, map_tensors=map_tensors) for load in vectors]

    def trimmed(name: str) -> list[Tensor]:
        return [trim(load(name), cutoff) for load, cutoff in zip(vectors, cutoffs, strict=True)]

    def total(name: str) -> Tensor:
        return torch.stack([part.sum(dtype=torch.float64) for part in trimmed(name)]).sum().cpu()

    fallback = float(sum(map_tensors(total, names).values(), start=torch.zeros((), dtype=torch.float64)).sign())

    def merged(name: str) -> Tensor:
        parts = trimmed(name)
        return disjoint_merge(parts, elect_signs(parts, fallback), merge_func)

    return merged


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
        count += _along(vector, signs) > 0
    return _sum(vectors, signs).div_(count.clamp_(min=1))


def _max(vectors: Sequence[Tensor], signs: Tensor) -> Tensor:
    largest = torch.zeros_like(signs)
    for vector in vectors:
        largest = torch.maximum(largest, _along(vector, signs))
    return largest.mul_(signs)


_MERGE_FUNCTIONS: Mapping[str, Callable[[Sequence[Tensor], Tensor], Tensor]] = {"sum": _sum, "mean": _mean, "max": _max}
