"""The part of a task vector that the models merged so far do not already span.

The projection of OPCM: Tang et al., "Merging Models on the Fly Without Retraining: A Sequential Approach to Scalable
Continual Model Merging", 2025, arXiv 2501.09522.

Only the m = min(rows, columns) thin singular pairs matter, and they come from the Gram matrix of the shorter side:
A Aᵀ = U Σ² Uᵀ in float64, V = Σ⁻¹ Uᵀ A. That is cheaper than a singular value decomposition, most of all for long
matrices. Squaring costs no accuracy here, as float64 has more than twice the digits of float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fusion_bench.functional.eigensystem import TORCH, Eigensystem, Solver
from fusion_bench.functional.removal import (
    Directions,
    component_in_float32,
    component_in_float64,
    directions_of,
    padded,
    subtract,
)

RELATIVE_TOLERANCE = 1e-6
"""Directions whose singular value is at most this share of the largest are rounding noise of float32 weights."""

SLACK = 1e-9  # on the cumulative sum, so that a sum equal to α Σσ counts as reached in spite of rounding
_MOSTLY_KEPT = 0.65  # of the norm; where less is left, float64 keeps the rounding of what was removed out of it
_WELL_CONDITIONED = 1e-2  # smallest by mean eigenvalue of a Gram matrix that float32 products serve
_MANY = 512  # rows from which float32 products may serve, if there are three times as many columns
_SMALL = 1 << 16  # entries below which float64 products cost nothing worth saving


def defined_rank(singular_values: Tensor) -> int:
    """How many singular values, given largest first, stand out from rounding noise: the numerical rank."""
    if singular_values.numel() == 0 or not singular_values[0] > 0:
        return 0
    return int((singular_values > RELATIVE_TOLERANCE * singular_values[0]).sum())


def split_rank(singular_values: Tensor, alpha: float) -> int:
    """How many leading directions are protected: those whose cumulative sum is at most ``alpha`` times the total.

    The direction that crosses the share is not protected. 0 for ``alpha`` 0, the numerical rank for ``alpha`` 1.

    Args:
        singular_values: largest first.
        alpha: share of the sum of the singular values, in [0, 1].
    """
    rank = defined_rank(singular_values)
    if rank == 0 or alpha >= 1:
        return rank
    sums = singular_values.double().cumsum(0)
    return min(rank, int((sums <= (alpha + SLACK) * sums[-1]).sum()))


def project_out(
    accumulator: Tensor,
    task_vector: Tensor,
    *,
    alpha: float,
    zero_diagonal: bool = True,
    solver: Solver = TORCH,
    out: Tensor | None = None,
) -> tuple[Tensor, int]:
    """Remove from ``task_vector`` what lies in the leading singular directions of ``accumulator``.

    With accumulator = U Σ Vᵀ and P = Uᵀ τ V, the result is τ − U (M ∘ P) Vᵀ, where M marks P[:r, :r] and, with
    ``zero_diagonal``, the diagonal. Directions that are undefined, because their singular value is noise, are left
    alone; hence a zero accumulator removes nothing.

    Args:
        accumulator: the sum of what was merged so far, ``(rows, columns)``.
        task_vector: τ, of the same shape, dtype class and device.
        alpha: share of the singular values that is protected, in [0, 1].
        zero_diagonal: also remove each σ_i's own direction u_i v_iᵀ.
        solver: the way to the eigensystem of the Gram matrix.
        out: takes the result; of the shape and dtype of ``task_vector``, which it may be itself. None makes a new one.

    Returns:
        The projected task vector, in the dtype of ``task_vector``, and the split rank r.

    Raises:
        ValueError: if the two are not matrices of the same shape.
    """
    if accumulator.ndim != 2 or accumulator.shape != task_vector.shape:
        raise ValueError(
            f"accumulator and task vector must be matrices of one shape, got {tuple(accumulator.shape)} "
            f"and {tuple(task_vector.shape)}"
        )
    result = torch.empty_like(task_vector) if out is None else out
    tall = accumulator.shape[0] > accumulator.shape[1]
    rows = accumulator.T if tall else accumulator  # (m, n) with m <= n
    vector, target = (task_vector.T, result.T) if tall else (task_vector, result)
    if task_vector.dtype != torch.float64 and task_vector.numel() > _SMALL:
        directions = _directions(rows, solver, alpha, zero_diagonal, torch.float32)
        single = vector.float()
        component = component_in_float32(directions, single)
        if component.square <= (1 - _MOSTLY_KEPT**2) * float(single.norm()) ** 2:
            subtract(vector, component, target)
            return result, directions.rank
        del directions, component, single
    directions = _directions(rows, solver, alpha, zero_diagonal, torch.float64)
    subtract(vector, component_in_float64(directions, vector), target)
    return result, directions.rank


def _directions(rows: Tensor, solver: Solver, alpha: float, zero_diagonal: bool, dtype: torch.dtype) -> Directions:
    """The directions of ``rows`` that may be removed, for products in ``dtype``.

    Of the eigensystem, several times as large, nothing else is kept.
    """
    system = _eigensystem(rows, solver, leading=not zero_diagonal)
    singular_values = system.values.clamp(min=0).sqrt()
    rank, count = split_rank(singular_values, alpha), defined_rank(singular_values)
    if not zero_diagonal:
        count = padded(rank, count)
    return directions_of(system, singular_values, rows, count=count, rank=rank, diagonal=zero_diagonal, dtype=dtype)


def _eigensystem(rows: Tensor, solver: Solver, *, leading: bool) -> Eigensystem:
    """The eigensystem of ``rows @ rows.T``.

    Float32 products, summed in float64, are enough for a large, well-conditioned matrix: their error, spread over all
    directions, is then well below that of a float32 singular value decomposition.
    """
    size, length = rows.shape
    if rows.dtype != torch.float64 and size >= _MANY and length >= 3 * size:
        gram = solver.gram(rows, torch.float32)
        if _is_well_conditioned(gram):
            return solver.solve(gram, leading)
    return solver.solve(solver.gram(rows, torch.float64), leading)


def _is_well_conditioned(gram: Tensor) -> bool:
    """Whether no eigenvalue of a matrix, given as its upper triangle, is far below their mean.

    That is so if it is still positive definite after a shift, which costs little to find out.
    """
    shifted = gram.T.float()  # LAPACK's upper triangle is the lower one here
    shifted.diagonal().sub_(_WELL_CONDITIONED * shifted.diagonal().mean())
    return int(torch.linalg.cholesky_ex(shifted).info) == 0
