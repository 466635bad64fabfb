"""Apply one function to many tensors: in turn, or in threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from fusion_bench.utils.memory import recycling_freed_memory

T = TypeVar("T")
Tick = Callable[[int, int], None]


class Executor(Protocol):
    """Runs ``function(name)`` for every name; a method never knows which executor it has.

    Each name is computed with one BLAS thread, so that every executor gives the same bits. An executor is a context
    manager, which may be entered again; what it needs beyond this process lives inside the block.
    """

    @property
    def owners(self) -> int:
        """How many processes own tensors; 0 where everything happens in this one and shares its memory."""
        ...

    def map(
        self,
        function: Callable[[str], T],
        names: Sequence[str],
        tick: Tick | None = None,
        owner_of: Mapping[str, int] | None = None,
    ) -> dict[str, T]:
        """Results by name, in the order of ``names``, in which they are started too.

        Args:
            function: what to compute for a name.
            names: the names.
            tick: called as ``tick(done, total)`` after each result.
            owner_of: the process that computes a name, less than ``owners``; None leaves the choice to the executor.
        """
        ...

    def share(self, params: Mapping[str, Tensor], owner: str, files: Sequence[Path] = ()) -> Mapping[str, Tensor]:
        """The same tensors in a form that the processes of this executor can read by themselves.

        Args:
            params: tensors by name.
            owner: whose tensors they are, as the start of an error message: ``"model 'mnist'"``.
            files: what the tensors are read from whenever they are asked for; none if they are in memory.
        """
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class SerialExecutor:
    """One tensor after the other, on one BLAS thread."""

    owners = 0

    def map(
        self,
        function: Callable[[str], T],
        names: Sequence[str],
        tick: Tick | None = None,
        owner_of: Mapping[str, int] | None = None,
    ) -> dict[str, T]:
        """Results by name, in the order of ``names``."""
        results = {}
        with one_blas_thread(), recycling_freed_memory() as release:
            for done, name in enumerate(names, start=1):
                results[name] = function(name)
                release()
                if tick:
                    tick(done, len(names))
        return results

    def share(self, params: Mapping[str, Tensor], owner: str, files: Sequence[Path] = ()) -> Mapping[str, Tensor]:
        """``params`` as they are."""
        return params

    def __enter__(self) -> SerialExecutor:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to end."""


class ThreadExecutor:
    """Several tensors at a time, one BLAS thread each; ``threads=None`` uses every core this process may use."""

    owners = 0

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1 or null, got {threads}")
        self.threads = threads or available_cores()

    def map(
        self,
        function: Callable[[str], T],
        names: Sequence[str],
        tick: Tick | None = None,
        owner_of: Mapping[str, int] | None = None,
    ) -> dict[str, T]:
        """Results by name, in the order of ``names``; the first error ends the map and is raised."""
        with (
            one_blas_thread(),
            recycling_freed_memory() as release,
            ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        ):
            futures = {pool.submit(function, name): name for name in names}
            try:
                for done, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    release()
                    if tick:
                        tick(done, len(names))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            return {name: future.result() for future, name in futures.items()}

    def share(self, params: Mapping[str, Tensor], owner: str, files: Sequence[Path] = ()) -> Mapping[str, Tensor]:
        """``params`` as they are."""
        return params

    def __enter__(self) -> ThreadExecutor:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to end."""


def balanced(costs: Mapping[str, float], owners: int) -> dict[str, int]:
    """An owner for each name, so that the sums of their costs are about equal: always the dearest to the least busy.

    The order is that of the names by falling cost. The dearest share costs at most 4/3 − 1/(3n) times as much as it
    would in the best split (Graham, "Bounds on Multiprocessing Timing Anomalies", SIAM J. Appl. Math., 1969).

    Args:
        costs: a number ≥ 0 for each name.
        owners: how many there are, at least 1.
    """
    loads = [0.0] * owners
    owner_of = {}
    for name in dearest_first(costs, costs):
        owner = loads.index(min(loads))
        owner_of[name] = owner
        loads[owner] += costs[name]
    return owner_of


def dearest_first(names: Sequence[str] | Mapping[str, float], costs: Mapping[str, float]) -> list[str]:
    """``names`` by falling cost, so that the last ones to be started are done quickly; equal ones keep their order."""
    return sorted(names, key=lambda name: -costs[name])


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Limit:
    """One thread for torch and BLAS as long as anybody wants that: the settings are the process's, not a thread's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = 1
        self._blas = ExitStack()
        self._blas_limited = False

    def enter(self, *, blas: bool) -> int:
        """Limit this thread and those that begin from now on; how many threads torch had before anybody did."""
        with self._lock:
            if self._inside == 0:
                self._before = torch.get_num_threads()
            self._inside += 1
            torch.set_num_threads(1)
            if blas and not self._blas_limited:
                # Loaded first, because only a library that is loaded can be limited.
                import scipy.linalg  # noqa: F401
                from threadpoolctl import threadpool_limits

                self._blas.enter_context(threadpool_limits(1, user_api="blas"))
                self._blas_limited = True
            return self._before

    def leave(self) -> None:
        """Put the numbers back if nobody else is inside."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._blas.close()
                self._blas_limited = False
                torch.set_num_threads(self._before)


_limit = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Set torch and SciPy to one thread and put the numbers back, once nobody in this process is inside any more."""
    _limit.enter(blas=True)
    try:
        yield
    finally:
        _limit.leave()


@contextmanager
def one_torch_thread() -> Iterator[int]:
    """Set torch to one thread and put the number back, which is what the block gets.

    Where several threads are inside, whoever encloses them all should enter first and leave last.
    """
    before = _limit.enter(blas=False)
    try:
        yield before
    finally:
        _limit.leave()
