"""The component of one matrix in singular directions of another, as a product of two factors.

Both ways compute U (M ∘ P) Vᵀ with P = Uᵀ τ V, where M marks the leading block P[:r, :r] and the diagonal below it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fusion_bench.functional.eigensystem import Eigensystem
from fusion_bench.functional.products import product

WEAK = 0.05
"""Share of the root mean square singular value below which float32 would blur a right singular vector too much."""

_COLUMNS = 1024  # columns held in float64 at a time


def count_strong(singular_values: Tensor, total_square: Tensor) -> int:
    """How many of the singular values, largest first, are not weak.

    Args:
        singular_values: those of the directions in use.
        total_square: mean of the squares of all singular values.
    """
    return int((singular_values >= WEAK * total_square.sqrt()).sum())


def core_is_cheaper(rows: int, columns: int, count: int) -> bool:
    """Whether :func:`removed_by_core` takes less than :func:`removed_by_pairs` for ``count`` directions."""
    return 3 * count * columns > 2 * rows * (columns + count)


def removed_by_core(
    system: Eigensystem, singular_values: Tensor, rows: Tensor, vector: Tensor, rank: int
) -> tuple[Tensor, Tensor]:
    """Factors ``(m, m)`` and ``rows`` of the component, without forming V = Σ⁻¹ Uᵀ A.

    As P = Uᵀ (τ Aᵀ) U Σ⁻¹, all but two products are of the short side. Not for weak directions: what Σ⁻² magnifies
    here is rounding of sums over all directions.

    Args:
        system: the eigensystem of A Aᵀ.
        singular_values: ``(k,)``, float64.
        rows: A, ``(m, n)``.
        vector: τ, ``(m, n)``, in the dtype of the products.
        rank: r.
    """
    rows = rows.to(vector.dtype)
    left = system.vectors(0, len(singular_values), vector.dtype)
    scale = singular_values.to(left.dtype)
    turned = product(product(vector, rows.T), left) / scale  # τ V: (m, k)
    weighted = left * (left * turned).sum(0)
    weighted[:, :rank] = product(left[:, :rank], product(left[:, :rank].T, turned[:, :rank]))
    return product(weighted / scale, left.T), rows


def removed_by_pairs(
    system: Eigensystem, singular_values: Tensor, rows: Tensor, vector: Tensor, rank: int, strong: int
) -> tuple[Tensor, Tensor]:
    """Factors U ``(m, k)`` and (M ∘ P) Vᵀ ``(k, n)`` of the component, for directions of any strength.

    v_i = Aᵀ u_i / σ_i magnifies rounding by the ratio of a typical singular value to σ_i, so that the weak pairs are
    computed in float64 whatever the dtype of the products is.

    Args:
        system: the eigensystem of A Aᵀ.
        singular_values: ``(k,)``, float64.
        rows: A, ``(m, n)``.
        vector: τ, ``(m, n)``, in the dtype of the products.
        rank: r.
        strong: the number of directions that are not weak.
    """
    left = system.vectors(0, strong, vector.dtype)
    right = vector.new_empty(len(singular_values), rows.shape[1])
    right[:strong] = product((left / singular_values[:strong].to(left.dtype)).T, rows.to(left.dtype))
    if strong < len(singular_values):
        weak = system.vectors(strong, len(singular_values), torch.float64)
        scaled = (weak / singular_values[strong:]).T
        for start in range(0, rows.shape[1], _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            right[strong:, columns] = scaled @ rows[:, columns].double()
        left = torch.cat([left.T, weak.T.to(left.dtype)]).T
    coordinates = product(left.T, vector)  # Uᵀ τ: (k, n)
    block = product(product(coordinates[:rank], right[:rank].T), right[:rank])
    right[rank:] *= torch.linalg.vecdot(coordinates[rank:], right[rank:])[:, None]
    right[:rank] = block
    return left, right
