"""A symmetric eigensolver out of LAPACK's own steps, which forms only the eigenvectors that are asked for.

``torch.linalg.eigh`` turns every eigenvector of the tridiagonal matrix back in float64. Done in steps, only the wanted
ones are turned back, in the wanted precision. The routines are those SciPy exports for use from compiled code; calls
through ctypes let go of the interpreter lock, so that threads run them side by side.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from fusion_bench.functional.eigensystem import Eigensystem, torch_eigensystem

_SMALL = 128  # rows below which the steps cost more than they save


def lapack_eigensystem(matrix_: Tensor) -> Eigensystem:
    """Eigensystem of a symmetric matrix; of a small one, or one on another device, by ``torch.linalg.eigh``.

    Args:
        matrix_: symmetric, ``(m, m)``, float64, contiguous; only the upper triangle is read. It is overwritten.

    Raises:
        RuntimeError: if LAPACK does not converge, which finite entries rule out in practice.
    """
    size = matrix_.shape[0]
    if matrix_.device.type != "cpu" or size < _SMALL:
        return torch_eigensystem(matrix_)
    values, off_diagonal, factors = _tridiagonalise(matrix_)
    rotations = _diagonalise(values, off_diagonal)
    reflectors = matrix_.T[1:, :-1]

    def vectors(first: int, last: int, dtype: torch.dtype) -> Tensor:
        # LAPACK sorts upwards; row i of `rotations` is the tridiagonal matrix's eigenvector of values[i].
        wanted = rotations[size - last : size - first].flip(0).to(dtype).T
        wanted[1:] = torch.ormqr(reflectors.to(dtype), factors.to(dtype), wanted[1:])
        return wanted

    return Eigensystem(values.flip(0), vectors)


def _tridiagonalise(matrix_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Diagonal, off-diagonal and the scales of the Householder reflectors, which are left in ``matrix_``."""
    size = matrix_.shape[0]
    diagonal, off_diagonal, factors = (matrix_.new_empty(length) for length in (size, size - 1, size - 1))
    work = matrix_.new_empty(64 * size)
    # Rows here are columns there: our upper triangle is LAPACK's lower one.
    _call("dsytrd", b"L", size, matrix_, size, diagonal, off_diagonal, factors, work, len(work))
    return diagonal, off_diagonal, factors


def _diagonalise(diagonal_: Tensor, off_diagonal_: Tensor) -> Tensor:
    """Eigenvectors of a tridiagonal matrix as rows; the eigenvalues replace ``diagonal_``, in ascending order."""
    size = len(diagonal_)
    vectors = diagonal_.new_empty(size, size)
    work = diagonal_.new_empty(1 + 4 * size + size * size)
    integers = torch.empty(3 + 5 * size, dtype=torch.int32)
    _call("dstedc", b"I", size, diagonal_, off_diagonal_, vectors, size, work, len(work), integers, len(integers))
    return vectors


def _call(name: str, *arguments: bytes | int | Tensor) -> None:
    """Call a LAPACK routine, which takes every argument by address; its last one, ``info``, is checked here.

    Raises:
        RuntimeError: if the routine reports a failure.
    """
    info = ctypes.c_int(0)
    addresses: list[object] = []
    for argument in arguments:
        if isinstance(argument, Tensor):
            addresses.append(argument.data_ptr())
        else:
            addresses.append(argument if isinstance(argument, bytes) else ctypes.byref(ctypes.c_int(argument)))
    _routine(name, len(arguments) + 1)(*addresses, ctypes.byref(info))
    if info.value != 0:
        raise RuntimeError(f"LAPACK's {name} failed with info = {info.value}")


@cache
def _routine(name: str, arguments: int) -> Callable[..., None]:
    from scipy import LowLevelCallable
    from scipy.linalg import cython_lapack

    capsule = LowLevelCallable.from_cython(cython_lapack, name).function
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = pointer_of(capsule, name_of(capsule))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments)(address)
