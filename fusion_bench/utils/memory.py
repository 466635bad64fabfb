"""What the C library does with memory that is freed: keep it for the next allocation, or give it back."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

# Parameters of the GNU C library's mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_NEVER = 2**31 - 1
_LARGE = 4 << 20  # smaller ones cost more to get anew, page by page, than they hold
# What the library itself arrives at after it has seen large blocks; it does not adapt any more once it was told.
_USUAL = ((_MMAP_MAX, 65536), (_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 64 << 20))


def release_free_memory() -> None:
    """Return free pages of the heap, also those between pieces in use; does nothing where the C library cannot.

    Threads that allocate large tensors in turn leave holes, which the GNU C library keeps: after some steps a process
    holds several times what it uses.
    """
    if (trim := _function("malloc_trim", ctypes.c_size_t)) is not None:
        trim(0)


def reusing_freed_memory() -> AbstractContextManager[None]:
    """Keep memory that is freed inside the block for later allocations, and give it back at the end.

    A forward pass allocates and frees the same large blocks again and again. By default the GNU C library returns them
    to the system each time and gets them back zeroed, page by page, which can take as long as the computation. Does
    nothing with another C library.
    """
    return _allocating((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER))


def returning_freed_memory() -> AbstractContextManager[None]:
    """Give each large block back to the system as soon as it is freed, inside the block.

    What threads compute with in turn would otherwise stay with each of them, several times the size of what is in use.
    Does nothing with another C library.
    """
    return _allocating((_MMAP_THRESHOLD, _LARGE))


@contextmanager
def _allocating(*settings: tuple[int, int]) -> Iterator[None]:
    """Set parameters of the C library by number inside the block; afterwards the usual ones, and free pages go back."""
    option = _function("mallopt", ctypes.c_int, ctypes.c_int)
    if option is None:
        yield
        return
    for parameter, value in settings:
        option(parameter, value)
    try:
        yield
    finally:
        for parameter, value in _USUAL:
            option(parameter, value)
        release_free_memory()


@cache
def _function(name: str, *argument_types: type) -> Callable[..., int] | None:
    """A function of the C library that returns an int; None if it is another library."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):  # None is no library name on Windows
        return None
    function.argtypes, function.restype = list(argument_types), ctypes.c_int
    return function  # type: ignore[no-any-return]
