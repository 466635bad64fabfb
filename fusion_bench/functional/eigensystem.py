"""Eigenvalues of a symmetric matrix at once, its eigenvectors when and in the precision they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fusion_bench.functional.products import product

_SUMMED_IN_FLOAT32 = 256  # columns; in float32 products, the sums over these are added in float64
_HELD = 1024  # columns held in float64 at a time
_BLOCK = 192  # rows of the result computed at a time, what saves nearly half of the products


@dataclass(frozen=True)
class Eigensystem:
    """The eigenvalues of a symmetric matrix of shape ``(m, m)``, largest first, and a way to its eigenvectors."""

    values: Tensor  # (m,), float64, descending
    vectors: Callable[[int, int, torch.dtype], Tensor]  # (first, last, dtype) -> (m, last - first), columns


def torch_eigensystem(matrix: Tensor, leading: bool = False) -> Eigensystem:
    """All of the eigensystem in float64 by ``torch.linalg.eigh``, on any device.

    Args:
        matrix: symmetric, ``(m, m)``, float64; only the upper triangle is read.
        leading: makes no difference.
    """
    values, vectors = torch.linalg.eigh(matrix, UPLO="U")
    values, vectors = values.flip(0), vectors.flip(1)
    return Eigensystem(values, lambda first, last, dtype: vectors[:, first:last].to(dtype))


def gram_upper(rows: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """The upper triangle of ``rows @ rows.T`` in float64; what stands below the diagonal is meaningless.

    Args:
        rows: ``(m, n)``, any floating-point dtype, device and layout.
        dtype: dtype of the products, float64 or float32.
    """
    size = rows.shape[0]
    gram = torch.zeros(size, size, dtype=torch.float64, device=rows.device)
    for part in torch.split(rows, _HELD if dtype == torch.float64 else _SUMMED_IN_FLOAT32, dim=1):
        part = part.to(dtype).contiguous()
        for start in range(0, size, _BLOCK):
            upper, left, right = gram[start : start + _BLOCK, start:], part[start : start + _BLOCK], part[start:].T
            if dtype == torch.float64:
                upper.addmm_(left, right)
            else:
                upper += product(left, right)
    return gram


@dataclass(frozen=True)
class Solver:
    """A way to the eigensystem of a Gram matrix.

    Args:
        gram: the upper triangle of ``rows @ rows.T`` in float64, from ``rows`` and the dtype of the products.
        solve: the eigensystem of a symmetric float64 matrix of which only the upper triangle is read, and which may be
            overwritten. Its second argument says that only some of the leading eigenvectors will be asked for.
    """

    gram: Callable[[Tensor, torch.dtype], Tensor]
    solve: Callable[[Tensor, bool], Eigensystem]


TORCH = Solver(gram_upper, torch_eigensystem)
"""By torch alone, on any device."""
