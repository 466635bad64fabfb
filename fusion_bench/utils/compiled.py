"""Routines of BLAS and LAPACK as SciPy exports them for use from compiled code.

Calls through ctypes let go of the interpreter lock, so that threads run them side by side.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

from torch import Tensor


def call(library: str, name: str, *arguments: bytes | int | float | Tensor) -> None:
    """Call a routine, which takes every argument by its address.

    Args:
        library: ``"blas"`` or ``"lapack"``.
        name: of the routine, such as ``"dsyrk"``.
        arguments: letters, integers and tensors; a float stands for a scalar in the precision of the routine.
    """
    real = ctypes.c_float if name.startswith("s") else ctypes.c_double
    addresses: list[object] = []
    for argument in arguments:
        if isinstance(argument, Tensor):
            addresses.append(argument.data_ptr())
        elif isinstance(argument, bytes):
            addresses.append(argument)
        else:
            addresses.append(ctypes.byref(ctypes.c_int(argument) if isinstance(argument, int) else real(argument)))
    routine(library, name, len(addresses))(*addresses)


@cache
def routine(library: str, name: str, arguments: int) -> Callable[..., None]:
    """A routine with so many arguments, all of them addresses."""
    from scipy import LowLevelCallable
    from scipy.linalg import cython_blas, cython_lapack

    module = {"blas": cython_blas, "lapack": cython_lapack}[library]
    capsule = LowLevelCallable.from_cython(module, name).function
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = pointer_of(capsule, name_of(capsule))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments)(address)
