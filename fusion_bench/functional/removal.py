"""A matrix without its component in singular directions of another.

The component is U (M ∘ P) Vᵀ with P = Uᵀ τ V, where M marks the leading block P[:r, :r] and, if that is wanted, the
diagonal below it. As V = Aᵀ U Σ⁻¹, it is a matrix of the short side times A. Long matrices are worked off by columns,
so that what is computed on the way takes no more than some matrices of the short side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fusion_bench.functional.eigensystem import Eigensystem
from fusion_bench.functional.params import squared_norm
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


class Component(NamedTuple):
    """What is to be removed, as a product."""

    left: Tensor
    right: Tensor
    square: float  # the squared norm of all of it
    weak: tuple[Tensor, Tensor] | None = None  # factors of what comes on top, few and of varying number


def component_in_float32(directions: Directions, vector: Tensor) -> Component:
    """The component of ``vector``, ``(m, n)`` in float32, by products in float32."""
    (rows, columns), count, strong = directions.rows.shape, directions.count, directions.strong
    if directions.rank > strong or 3 * count * columns <= 2 * rows * (columns + count):
        return _component_by_pairs(directions, vector)
    core, square = _core(directions, vector)
    if not directions.diagonal or strong == count:
        return Component(core, directions.rows, square)
    left, right = directions.left[:, strong:], _weak_right(directions)
    diagonal = torch.linalg.vecdot(left.T @ vector, right)
    return Component(core, directions.rows, square + squared_norm(diagonal), (left * diagonal, right))


def component_in_float64(directions: Directions, vector: Tensor) -> Component:
    """The component of ``vector``, ``(m, n)`` in any dtype, by products in float64."""
    left, rows, rank = directions.left, directions.rows, directions.rank
    scaled = left / directions.singular_values
    block = left.new_zeros(rank, rank)
    diagonal = left.new_zeros(directions.count - rank)
    for columns in _parts(rows.shape[1]):
        right = scaled.T @ rows[:, columns].double()
        coordinates = left.T @ vector[:, columns].double()
        block.addmm_(coordinates[:rank], right[:rank].T)
        diagonal += torch.linalg.vecdot(coordinates[rank:], right[rank:])
    core = (left[:, :rank] @ block) @ scaled[:, :rank].T
    if directions.diagonal:
        core.addmm_(left[:, rank:] * diagonal, scaled[:, rank:].T)
    return Component(core, rows, squared_norm(block) + directions.diagonal * squared_norm(diagonal))


def subtract(vector: Tensor, component: Component, out: Tensor) -> None:
    """Make ``out``, which may be ``vector`` itself, the ``vector`` without its component."""
    left = component.left
    for columns in _parts(vector.shape[1]):
        right = component.right[:, columns].to(left.dtype)
        # The transposed product of a transposed matrix: either way the rows of the result lie one after the other.
        removed = product(left, right) if vector.is_contiguous() else product(right.T, left.T).T
        if component.weak is not None:  # by torch itself, which makes nothing for shapes that vary
            removed.addmm_(component.weak[0], component.weak[1][:, columns])
        out[:, columns] = removed.neg_().add_(vector[:, columns])


def _core(directions: Directions, vector: Tensor) -> tuple[Tensor, float]:
    """The matrix, ``(m, m)``, that times A is the component in the strong directions, and that one's squared norm.

    The block is part of them. As P = Uᵀ (τ Aᵀ) U Σ⁻¹, no right singular vector has to be formed. That is not for weak
    directions: what Σ⁻² magnifies there is rounding of sums over all directions.
    """
    left, rank, rows = directions.left, directions.rank, directions.rows
    inverse = (1 / directions.singular_values).to(vector.dtype)
    inverse[directions.strong :] = 0
    products = vector.new_zeros(rows.shape[0], rows.shape[0])  # τ Aᵀ
    for columns in _parts(rows.shape[1]):
        products += product(vector[:, columns], rows[:, columns].to(vector.dtype).T)
    turned = product(products, left) * inverse  # τ V: (m, k)
    diagonal = (left * turned).sum(0) * directions.diagonal
    weighted = left * diagonal
    leading = padded(rank, directions.count)
    block = product(left[:, :leading].T, turned[:, :leading])
    block[rank:] = 0
    weighted[:, :rank] = product(left[:, :leading], block)[:, :rank]
    return product(weighted * inverse, left.T), squared_norm(block[:, :rank]) + squared_norm(diagonal[rank:])


def _component_by_pairs(directions: Directions, vector: Tensor) -> Component:
    """U times (M ∘ P) Vᵀ, for directions of any strength."""
    left, rank, strong = directions.left, directions.rank, directions.strong
    inverse = (1 / directions.singular_values).to(vector.dtype)
    right = product((left * inverse).T, directions.rows.to(vector.dtype))
    if strong < directions.count:
        right[strong:] = _weak_right(directions)
    coordinates = product(left.T, vector)  # Uᵀ τ: (k, n)
    leading = padded(rank, directions.count)
    block = product(coordinates[:leading], right[:leading].T)
    block[:, rank:] = 0
    diagonal = torch.linalg.vecdot(coordinates[rank:], right[rank:]) * directions.diagonal
    removed = product(block, right[:leading])
    right[rank:] *= diagonal[:, None]
    right[:rank] = removed[:rank]
    return Component(left, right, squared_norm(block[:rank]) + squared_norm(diagonal))


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


def _parts(length: int) -> Iterator[slice]:
    """All columns, some at a time."""
    for start in range(0, length, _COLUMNS):
        yield slice(start, min(start + _COLUMNS, length))
