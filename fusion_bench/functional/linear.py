"""Linear merging: weighted sums of task vectors, added to the base."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from fusion_bench.functional.params import Params, task_vector, work_dtype


def add_scaled(total: Tensor | None, vector: Tensor, factor: float = 1.0) -> Tensor:
    """``total + factor · vector`` as a new tensor; None counts as zero."""
    return factor * vector if total is None else total.add(vector, alpha=factor)


def add_to_base(origin: Tensor, offset: Tensor) -> Tensor:
    """``origin + offset``, computed in at least float32 and rounded once to the dtype of ``origin``."""
    return (origin.to(work_dtype(origin)) + offset).to(origin.dtype)


def linear_merge(
    models: Sequence[Params], base: Params, weights: Sequence[float], name: str, *, base_factor: float = 1.0
) -> Tensor:
    """``f θ_0 + Σ wᵢ (θᵢ − θ_0)`` of one tensor, in the dtype of the base; with ``f = Σ wᵢ`` that is ``Σ wᵢ θᵢ``.

    Working with the small differences keeps the rounding of float32 relative to the task vectors.

    Args:
        models: one or more models.
        base: θ_0.
        weights: one number a model.
        name: the tensor.
        base_factor: f.
    """
    origin = base[name].to(work_dtype(base[name]))
    total = origin * base_factor
    offset: Tensor | None = None
    for params, weight in zip(models, weights, strict=True):
        offset = add_scaled(offset, task_vector(params, base, name), weight)
    return (total if offset is None else total + offset).to(base[name].dtype)


def normalise(weights: Sequence[float]) -> list[float]:
    """``weights`` divided by their sum.

    Raises:
        ValueError: if they sum to zero.
    """
    total = math.fsum(weights)
    if total == 0:
        raise ValueError(f"weights that sum to zero cannot be normalised: {list(weights)}")
    return [weight / total for weight in weights]
