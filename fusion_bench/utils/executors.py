"""Apply one function to many tensors: in turn, or in threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch

from fusion_bench.utils.memory import release_free_memory

T = TypeVar("T")
_RELEASE_EVERY = 8  # results after which the holes that temporaries left are given back
Tick = Callable[[int, int], None]


class Executor(Protocol):
    """Runs ``function(name)`` for every name; a method never knows which executor it has."""

    def map(self, function: Callable[[str], T], names: Sequence[str], tick: Tick | None = None) -> dict[str, T]:
        """Results by name, in the order of ``names``; ``tick(done, total)`` after each one."""
        ...


class SerialExecutor:
    """One tensor after the other, with whatever threads torch itself uses."""

    def map(self, function: Callable[[str], T], names: Sequence[str], tick: Tick | None = None) -> dict[str, T]:
        """Results by name, in the order of ``names``."""
        results = {}
        for done, name in enumerate(names, start=1):
            results[name] = function(name)
            if tick:
                tick(done, len(names))
        return results


class ThreadExecutor:
    """Several tensors at a time, one BLAS thread each; ``threads=None`` uses every core this process may use."""

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1 or null, got {threads}")
        self.threads = threads or available_cores()

    def map(self, function: Callable[[str], T], names: Sequence[str], tick: Tick | None = None) -> dict[str, T]:
        """Results by name, in the order of ``names``; the first error ends the map and is raised."""
        with (
            one_blas_thread(),
            ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        ):
            futures = {pool.submit(function, name): name for name in names}
            try:
                for done, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    if done % _RELEASE_EVERY == 0:
                        release_free_memory()
                    if tick:
                        tick(done, len(names))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            return {name: future.result() for future, name in futures.items()}


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_threads_lock = threading.RLock()  # the settings are the process's


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Set torch and SciPy to one thread and put the numbers back."""
    # Loaded first, because only a library that is loaded can be limited.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"), one_torch_thread():
        yield


@contextmanager
def one_torch_thread() -> Iterator[int]:
    """Set torch to one thread and put the number back, which is what the block gets."""
    with _threads_lock:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield before
        finally:
            torch.set_num_threads(before)
