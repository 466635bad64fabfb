"""Give memory that was freed back to the operating system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def release_free_memory() -> None:
    """Return free pages of the heap, also those between pieces in use; does nothing where the C library cannot.

    Threads that allocate large tensors in turn leave holes, which the GNU C library keeps: after some steps a process
    holds several times what it uses.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        function = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another C library; None is no library name on Windows
        return None
    function.argtypes, function.restype = [ctypes.c_size_t], ctypes.c_int
    return function
