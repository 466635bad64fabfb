"""A matrix without its component in singular directions of another.

The component is U (M ∘ P) Vᵀ with P = Uᵀ τ V, where M marks the leading block P[:r, :r] and, if that is wanted, the
diagonal below it. As V = Aᵀ U Σ⁻¹, it is a matrix of the short side times A. Long matrices are worked off by columns,
so that what is computed on the way takes no more than some matrices of the short side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fusion_bench.functional.eigensystem import Eigensystem
from fusion_bench.functional.products import product

WEAK = 0.05
"""Share of the root mean square singular value below which float32 would blur a right singular vector too much."""

_COLUMNS = 768  # worked off at a time
_MULTIPLE = 64  # of directions; oneDNN makes and keeps code, most of a MiB, for each shape of a product that it meets


@dataclass(frozen=True)
class Directions:
    """Singular directions of A, and which part of a matrix in them is to be removed.

    Args:
        left: U, those of the directions in use, ``(m, k)``, in the dtype of the products.
        weak: the last w of them in float64, ``(m, w)``.
        singular_values: Σ, ``(k,)``, float64, largest first.
        rows: A, ``(m, n)`` with m <= n.
        rank: r, the directions whose block is removed.
        diagonal: whether the diagonal is removed as well.
    """

    left: Tensor
    weak: Tensor
    singular_values: Tensor
    rows: Tensor
    rank: int
    diagonal: bool

    @property
    def count(self) -> int:
        """k."""
        return len(self.singular_values)

    @property
    def strong(self) -> int:
        """How many of the directions are not weak."""
        return self.count - self.weak.shape[1]


def directions_of(
    system: Eigensystem,
    singular_values: Tensor,
    rows: Tensor,
    *,
    count: int,
    rank: int,
    diagonal: bool,
    dtype: torch.dtype,
) -> Directions:
    """The leading ``count`` directions of A = ``rows``, from the eigensystem of A Aᵀ, for products in ``dtype``.

    All singular values are given, as the root mean square is that of all.

    Weak are those whose singular value is below a share of the root mean square one, unless products are in float64.
    """
    limit = WEAK * singular_values.square().mean().sqrt() if dtype != torch.float64 else 0.0
    strong = int((singular_values[:count] >= limit).sum())
    none = singular_values.new_empty(rows.shape[0], 0)
    left, weak = system.vectors(0, count, dtype) if count else none.to(dtype), none
    if strong < count:
        weak = system.vectors(strong, count, torch.float64)
        left[:, strong:] = weak
    return Directions(left, weak, singular_values[:count], rows, rank, diagonal)


def padded(count: int, limit: int) -> int:
    """``count`` or somewhat more, at most ``limit``, so that products come in few shapes."""
    return min(-(-count // _MULTIPLE) * _MULTIPLE, limit)


def without_in_float32(directions: Directions, vector: Tensor) -> Tensor:
    """``vector``, ``(m, n)`` in float32, without its component, by products in float32."""
    (rows, columns), count, strong = directions.rows.shape, directions.count, directions.strong
    if directions.rank > strong or 3 * count * columns <= 2 * rows * (columns + count):
        return _subtract(vector, directions.left, _removed_by_pairs(directions, vector))
    result = _subtract(vector, _removed_by_core(directions, vector), directions.rows)
    if directions.diagonal and strong < count:
        # These are few, and their number varies, so that torch's own products serve them better.
        left, right = directions.left[:, strong:], _weak_right(directions)
        result -= left * torch.linalg.vecdot(left.T @ vector, right) @ right
    return result


def without_in_float64(directions: Directions, vector: Tensor) -> Tensor:
    """``vector``, ``(m, n)`` in any dtype, without its component, by products in float64."""
    left, rows, rank = directions.left, directions.rows, directions.rank
    scaled = left / directions.singular_values
    block = left.new_zeros(rank, rank)
    diagonal = left.new_zeros(directions.count - rank)
    for columns in _parts(rows.shape[1]):
        right = scaled.T @ rows[:, columns].double()
        coordinates = left.T @ vector[:, columns].double()
        block.addmm_(coordinates[:rank], right[:rank].T)
        diagonal += torch.linalg.vecdot(coordinates[rank:], right[rank:])
    removed = (left[:, :rank] @ block) @ scaled[:, :rank].T
    if directions.diagonal:
        removed.addmm_(left[:, rank:] * diagonal, scaled[:, rank:].T)
    return _subtract(vector, removed, rows)


def _removed_by_core(directions: Directions, vector: Tensor) -> Tensor:
    """The matrix, ``(m, m)``, that times A is the component in the strong directions, which the block is part of.

    As P = Uᵀ (τ Aᵀ) U Σ⁻¹, no right singular vector has to be formed. That is not for weak directions: what Σ⁻²
    magnifies there is rounding of sums over all directions.
    """
    left, rank, rows = directions.left, directions.rank, directions.rows
    inverse = (1 / directions.singular_values).to(vector.dtype)
    inverse[directions.strong :] = 0
    products = vector.new_zeros(rows.shape[0], rows.shape[0])  # τ Aᵀ
    for columns in _parts(rows.shape[1]):
        products += product(vector[:, columns], rows[:, columns].to(vector.dtype).T)
    turned = product(products, left) * inverse  # τ V: (m, k)
    weighted = left * (left * turned).sum(0) if directions.diagonal else torch.zeros_like(left)
    leading = padded(rank, directions.count)
    block = product(left[:, :leading].T, turned[:, :leading])
    block[rank:] = 0
    weighted[:, :rank] = product(left[:, :leading], block)[:, :rank]
    return product(weighted * inverse, left.T)


def _removed_by_pairs(directions: Directions, vector: Tensor) -> Tensor:
    """(M ∘ P) Vᵀ, ``(k, n)``, which U times is the component, for directions of any strength."""
    left, rank, strong = directions.left, directions.rank, directions.strong
    inverse = (1 / directions.singular_values).to(vector.dtype)
    right = product((left * inverse).T, directions.rows.to(vector.dtype))
    if strong < directions.count:
        right[strong:] = _weak_right(directions)
    coordinates = product(left.T, vector)  # Uᵀ τ: (k, n)
    leading = padded(rank, directions.count)
    block = product(coordinates[:leading], right[:leading].T)
    block[:, rank:] = 0
    block = product(block, right[:leading])
    right[rank:] *= torch.linalg.vecdot(coordinates[rank:], right[rank:])[:, None] if directions.diagonal else 0
    right[:rank] = block[:rank]
    return right


def _weak_right(directions: Directions) -> Tensor:
    """Right singular vectors of the weak directions as rows, ``(w, n)``, in the dtype of the products.

    v_i = Aᵀ u_i / σ_i magnifies rounding by the ratio of a typical singular value to σ_i: hence float64.
    """
    rows = directions.rows
    scaled = (directions.weak / directions.singular_values[directions.strong :]).T
    right = directions.left.new_empty(len(scaled), rows.shape[1])
    for columns in _parts(rows.shape[1]):
        right[:, columns] = scaled @ rows[:, columns].double()
    return right


def _subtract(vector: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """``vector - left @ right``, computed in the dtype of ``left``; in the dtype and layout of ``vector``."""
    result = torch.empty_like(vector)
    for columns in _parts(right.shape[1]):
        part = right[:, columns].to(left.dtype)
        # The transposed product of a transposed matrix: either way the rows of the result lie one after the other.
        removed = product(left, part) if vector.is_contiguous() else product(part.T, left.T).T
        result[:, columns] = removed.neg_().add_(vector[:, columns])
    return result


def _parts(length: int) -> Iterator[slice]:
    """All columns, some at a time."""
    for start in range(0, length, _COLUMNS):
        yield slice(start, min(start + _COLUMNS, length))
