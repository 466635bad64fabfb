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

from fusion_bench.functional.eigensystem import Eigensystem, Solver, gram_upper, torch_eigensystem

RELATIVE_TOLERANCE = 1e-6
"""Directions whose singular value is at most this share of the largest are rounding noise of float32 weights."""

_SLACK = 1e-9  # on the cumulative sum, so that a sum equal to α Σσ counts as reached in spite of rounding
_SMALL = 1 << 16  # entries below which float64 products cost nothing worth saving
_COLUMNS = 1024  # columns held in float64 at a time
_WEAK = 0.05  # share of the root mean square singular value below which float32 would blur a right singular vector


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
    return min(rank, int((sums <= (alpha + _SLACK) * sums[-1]).sum()))


def project_out(
    accumulator: Tensor,
    task_vector: Tensor,
    *,
    alpha: float,
    zero_diagonal: bool = True,
    solve: Solver = torch_eigensystem,
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
        solve: solver for the Gram matrix.

    Returns:
        The projected task vector, a new tensor in the dtype of ``task_vector``, and the split rank r.

    Raises:
        ValueError: if the two are not matrices of the same shape.
    """
    if accumulator.ndim != 2 or accumulator.shape != task_vector.shape:
        raise ValueError(
            f"accumulator and task vector must be matrices of one shape, got {tuple(accumulator.shape)} "
            f"and {tuple(task_vector.shape)}"
        )
    tall = accumulator.shape[0] > accumulator.shape[1]
    rows = accumulator.T if tall else accumulator  # (m, n) with m <= n
    system = solve(gram_upper(rows))
    singular_values = system.values.clamp(min=0).sqrt()
    rank = split_rank(singular_values, alpha)
    count = defined_rank(singular_values) if zero_diagonal else rank
    if count == 0:
        return task_vector.clone(), rank
    dtype = _product_dtype(task_vector)
    vector = task_vector.to(dtype)
    left, right = _singular_pairs(system, singular_values[:count], rows, dtype)
    removed = _removed_coordinates(left, right, vector.T if tall else vector, rank)
    factors = (removed.T, left.T) if tall else (left, removed)
    return torch.addmm(vector, *factors, alpha=-1).to(task_vector.dtype), rank


def _product_dtype(tensor: Tensor) -> torch.dtype:
    exact = tensor.dtype == torch.float64 or tensor.numel() <= _SMALL
    return torch.float64 if exact else torch.float32


def _singular_pairs(
    system: Eigensystem, singular_values: Tensor, rows: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Left ``(m, k)`` and right ``(k, n)`` singular vectors of ``rows``.

    v_i = Aᵀ u_i / σ_i blows rounding up by the ratio of a typical singular value to σ_i, so that the weak pairs are
    computed in float64 whatever ``dtype`` is.
    """
    count = len(singular_values)
    typical = system.values.clamp(min=0).mean().sqrt()
    strong = count if dtype == torch.float64 else int((singular_values >= _WEAK * typical).sum())
    left = torch.empty(rows.shape[0], count, dtype=dtype, device=rows.device)
    right = torch.empty(count, rows.shape[1], dtype=dtype, device=rows.device)
    for first, last, precision in ((0, strong, dtype), (strong, count, torch.float64)):
        if first == last:
            continue
        vectors = system.vectors(first, last, precision)
        left[:, first:last] = vectors
        scaled = (vectors / singular_values[first:last].to(precision)).T
        for start in range(0, rows.shape[1], _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            right[first:last, columns] = scaled @ rows[:, columns].to(precision)
    return left, right


def _removed_coordinates(left: Tensor, right_: Tensor, vector: Tensor, rank: int) -> Tensor:
    """(M ∘ P) Vᵀ, shape ``(k, n)``, written over ``right_``: the leading block of P, and its diagonal below."""
    coordinates = left.T @ vector  # Uᵀ τ: (k, n)
    block = (coordinates[:rank] @ right_[:rank].T) @ right_[:rank]
    diagonal = torch.einsum("kn,kn->k", coordinates[rank:], right_[rank:])
    right_[rank:] *= diagonal[:, None]
    right_[:rank] = block
    return right_
