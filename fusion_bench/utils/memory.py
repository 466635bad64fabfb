"""What the C library does with memory that is freed, keep it or give it back, and tensors that lie apart from it."""

from __future__ import annotations

import ctypes
import math
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from itertools import count

import torch
from torch import Tensor

# Parameters of the GNU C library's mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_NEVER = 2**31 - 1
_LARGE = 4 << 20  # smaller ones cost more to get anew, page by page, than they hold
_RELEASE_EVERY = 8  # results
_APART = 1 << 20  # bytes from which a tensor gets pages of its own
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


@contextmanager
def recycling_freed_memory() -> Iterator[Callable[[], None]]:
    """Serve all but the very largest blocks from what was freed before, inside the block.

    What the block gets is to be called after each result; every few of them it gives back the holes that temporaries
    left. What lasts should have pages of its own, see :func:`empty_apart`: between such pieces freed memory is in parts
    too small for the next block. Does nothing with another C library.
    """
    results = count(1)

    def release_now_and_then() -> None:
        if next(results) % _RELEASE_EVERY == 0:
            release_free_memory()

    with _allocating(*_USUAL):
        yield release_now_and_then


def returning_freed_memory() -> AbstractContextManager[None]:
    """Give each large block back to the system as soon as it is freed, inside the block.

    What threads compute with in turn would otherwise stay with each of them, several times the size of what is in use.
    Does nothing with another C library.
    """
    return _allocating((_MMAP_THRESHOLD, _LARGE))


def empty_apart(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor with any content, on the CPU in pages of its own, huge ones where the system has them.

    They go back to the system with the tensor and leave no hole among what the C library manages. A small tensor, or
    one on another system than Linux, is an ordinary one.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < _APART or device.type != "cpu" or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(shape, dtype=dtype, device=device)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without huge pages
        pages.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(pages, dtype=dtype).view(shape)


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
