"""A symmetric eigensolver out of LAPACK's own steps, which forms only the eigenvectors that are asked for.

``torch.linalg.eigh`` turns every eigenvector of the tridiagonal matrix back in float64. Done in steps, only the wanted
ones are turned back, in the wanted precision.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from fusion_bench.functional.eigensystem import Eigensystem, Solver, torch_eigensystem
from fusion_bench.utils.blas import blas_gram
from fusion_bench.utils.compiled import call, routine

_SMALL = 128  # rows below which the steps cost more than they save
_SEPARATE = 1e-8  # of the largest eigenvalue; neighbours closer than this are left to divide and conquer


def lapack_eigensystem(matrix_: Tensor, leading: bool = False) -> Eigensystem:
    """Eigensystem of a symmetric matrix; of a small one, or one on another device, by ``torch.linalg.eigh``.

    Args:
        matrix_: symmetric, ``(m, m)``, float64, contiguous; only the upper triangle is read. It is overwritten.
        leading: that only some of the leading eigenvectors will be asked for, which are then computed one by one.

    Raises:
        RuntimeError: if LAPACK does not converge, which finite entries rule out in practice.
    """
    size = matrix_.shape[0]
    if matrix_.device.type != "cpu" or size < _SMALL:
        return torch_eigensystem(matrix_)
    diagonal, off_diagonal, factors = _tridiagonalise(matrix_)
    reflectors = matrix_.T[1:, :-1]
    if leading:
        values, rotations = _eigenvalues(diagonal, off_diagonal).flip(0), None
    else:
        values, rotations = _diagonalise(diagonal, off_diagonal)

    def vectors(first: int, last: int, dtype: torch.dtype) -> Tensor:
        nonlocal rotations
        if rotations is None and first == 0 and _are_separate(values[: last + 1]):
            rows = _leading_rotations(diagonal, off_diagonal, values[:last]).to(dtype)
        else:
            if rotations is None:
                _, rotations = _diagonalise(diagonal, off_diagonal)
            # LAPACK sorts upwards; row i of `rotations` is the tridiagonal matrix's i-th eigenvector from below.
            rows = rotations[size - last : size - first].to(dtype).flip(0)
        wanted = rows.T
        wanted[1:] = torch.ormqr(reflectors.to(dtype), factors.to(dtype), wanted[1:])
        return wanted

    return Eigensystem(values, vectors)


def _tridiagonalise(matrix_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Diagonal, off-diagonal and the scales of the Householder reflectors, which are left in ``matrix_``."""
    size = matrix_.shape[0]
    diagonal, off_diagonal, factors = (matrix_.new_empty(length) for length in (size, size - 1, size - 1))
    work = matrix_.new_empty(64 * size)
    # Rows here are columns there: our upper triangle is LAPACK's lower one.
    _call("dsytrd", b"L", size, matrix_, size, diagonal, off_diagonal, factors, work, len(work))
    return diagonal, off_diagonal, factors


def _diagonalise(diagonal: Tensor, off_diagonal: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of a tridiagonal matrix, largest first, and its eigenvectors as rows, smallest first."""
    size = len(diagonal)
    values, rest = diagonal.clone(), off_diagonal.clone()
    vectors = values.new_empty(size, size)
    work = values.new_empty(1 + 4 * size + size * size)
    integers = torch.empty(3 + 5 * size, dtype=torch.int32)
    _call("dstedc", b"I", size, values, rest, vectors, size, work, len(work), integers, len(integers))
    return values.flip(0), vectors


def _eigenvalues(diagonal: Tensor, off_diagonal: Tensor) -> Tensor:
    """Eigenvalues of a tridiagonal matrix, smallest first."""
    values = diagonal.clone()
    _call("dsterf", len(values), values, off_diagonal.clone())
    return values


def _are_separate(values: Tensor) -> bool:
    """Whether each eigenvector can be computed without looking at the others, and still be orthogonal to them."""
    return bool((-values.diff() > _SEPARATE * values[0]).all())


def _leading_rotations(diagonal: Tensor, off_diagonal: Tensor, values: Tensor) -> Tensor:
    """Eigenvectors of a positive semidefinite tridiagonal matrix, as rows, for separate eigenvalues, largest first.

    By twisted factorisations of L D Lᵀ - λ, as in Dhillon and Parlett, "Orthogonal Eigenvectors and Relative Gaps",
    SIAM J. Matrix Anal. Appl., 2003; shifted up by the largest eigenvalue, so that L D Lᵀ exists.
    """
    size = len(diagonal)
    pivots, multipliers = diagonal + values[0], off_diagonal.clone()
    _call("dpttrf", size, pivots, multipliers)
    products = multipliers * pivots[:-1]
    squares = multipliers * products
    shifted = values + values[0]
    vectors = values.new_zeros(len(values), size)
    work = values.new_empty(4 * size)
    lengths = values.new_zeros(len(values), 2)
    smallest = torch.finfo(values.dtype).tiny * shifted[:1].square().clamp(min=1)
    negligible = shifted[:1] * 1e-20  # entries of an eigenvector below this would only become subnormal
    unused, support = values.new_empty(4), torch.zeros(2, dtype=torch.int32)
    twist = torch.zeros(len(values), dtype=torch.int32)  # 0 lets the routine choose
    twisted = routine("lapack", "dlar1v", 21)
    count, first, no, negative = (ctypes.c_int(number) for number in (size, 1, 0, 0))
    fixed = [tensor.data_ptr() for tensor in (pivots, multipliers, products, squares, smallest, negligible)]
    spare = [unused[i:].data_ptr() for i in range(4)]
    for row in range(len(values)):
        twisted(
            *(ctypes.byref(number) for number in (count, first, count)),
            shifted.data_ptr() + 8 * row,
            *fixed,
            vectors.data_ptr() + 8 * size * row,
            ctypes.byref(no),
            ctypes.byref(negative),
            lengths.data_ptr() + 16 * row,
            spare[0],
            twist.data_ptr() + 4 * row,
            support.data_ptr(),
            *spare[1:],
            work.data_ptr(),
        )
    return vectors / lengths[:, :1].sqrt()


def _call(name: str, *arguments: bytes | int | Tensor) -> None:
    """Call a LAPACK routine and check its last argument, ``info``.

    Raises:
        RuntimeError: if the routine reports a failure.
    """
    info = torch.zeros(1, dtype=torch.int32)
    call("lapack", name, *arguments, info)
    if info.item() != 0:
        raise RuntimeError(f"LAPACK's {name} failed with info = {info.item()}")


LAPACK = Solver(blas_gram, lapack_eigensystem)
"""By SciPy's BLAS and LAPACK on the CPU, by torch elsewhere."""
