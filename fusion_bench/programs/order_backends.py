"""Where the orders of a run are merged: one after the other, some at a time in threads, or in processes of Ray."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from fusion_bench.callbacks.progress import ProgressDisplay
from fusion_bench.programs.order_runs import OrderOutcome, OrderRuns
from fusion_bench.programs.orders import RAY, THREADS
from fusion_bench.utils.executors import Executor, ThreadExecutor, available_cores, one_blas_thread

log = logging.getLogger(__name__)


class FailedOrderError(Exception):
    """Says which order failed; the cause says why."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def backend_for(backend: str | None, executor: Executor) -> str:
    """``threads`` or ``ray``, chosen or as the executor of the run is."""
    return backend or (RAY if executor.owners else THREADS)


def cores_of(executor: Executor) -> int:
    """How many cores an executor uses: its threads or actors, or the one of this thread."""
    return executor.owners or (executor.threads if isinstance(executor, ThreadExecutor) else 1)


def in_turn(runs: OrderRuns, pending: Sequence[int], display: ProgressDisplay) -> Generator[OrderOutcome, None, None]:
    """The outcome of each pending order, one after the other.

    Raises:
        FailedOrderError: when an order fails.
    """
    with _one_ray(runs.job.executor):
        for index in pending:
            try:
                outcome = runs.run(index, display=display)
            except Exception as error:
                raise FailedOrderError(index) from error
            yield outcome


@contextmanager
def _one_ray(executor: Executor) -> Iterator[None]:
    """One Ray for all orders where their tensors are merged by its actors; nothing for other executors."""
    if not executor.owners:
        yield
        return
    from fusion_bench.utils.ray_session import import_ray, start_ray

    started = start_ray(executor.owners, getattr(executor, "ray_address", None))
    try:
        yield
    finally:
        if started:
            import_ray().shutdown()


def in_threads(
    runs: OrderRuns, pending: Sequence[int], display: ProgressDisplay, parallel: int
) -> Generator[OrderOutcome, None, None]:
    """The outcome of each pending order as it becomes known; some are merged at a time, on their share of the cores.

    Scoring takes turns, each on all cores: the task pool is one for all.

    Raises:
        FailedOrderError: when an order fails; the others end after their current tensor, or task.
    """
    shared = divided(runs, parallel)
    stop = threading.Event()
    with one_blas_thread(), ThreadPoolExecutor(parallel, thread_name_prefix="order") as pool:
        futures = {pool.submit(shared.run, index, display=display, stop=stop): index for index in pending}
        try:
            for future in as_completed(futures):
                if (error := future.exception()) is not None:
                    raise FailedOrderError(futures[future]) from error
                yield future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def divided(runs: OrderRuns, parallel: int) -> OrderRuns:
    """The same orders with an executor that has its share of the cores."""
    executor = runs.job.executor
    if not isinstance(executor, ThreadExecutor):
        return runs
    return replace(runs, job=replace(runs.job, executor=ThreadExecutor(max(1, executor.threads // parallel))))


def on_ray(
    make_runs: Callable[[], OrderRuns],
    pending: Sequence[int],
    display: ProgressDisplay,
    parallel: int,
    *,
    cores: int,
    address: str | None = None,
) -> Generator[OrderOutcome, None, None]:
    """The outcome of each pending order as it becomes known; each is merged and scored in one of some processes.

    Args:
        make_runs: makes the orders and what they share, once in each process.
        pending: which to run.
        display: counts those that are finished.
        parallel: how many processes.
        cores: of each.
        address: ``host:port`` of a running Ray cluster, or ``auto``; None starts a Ray on this machine.

    Raises:
        FailedOrderError: when an order fails; the others are ended where they are.
    """
    from fusion_bench.utils.ray_session import import_ray, start_ray

    started = start_ray(parallel * cores, address)
    ray = import_ray()
    from ray.exceptions import RayActorError, RayTaskError

    gpus = ray.cluster_resources().get("GPU", 0) / parallel
    actor = ray.remote(num_cpus=cores, num_gpus=gpus)(_Worker)
    idle = [actor.remote(make_runs, cores) for _ in range(min(parallel, len(pending)))]
    workers, waiting = list(idle), list(pending)
    busy: dict[Any, tuple[Any, int]] = {}
    try:
        while waiting or busy:
            while waiting and idle:
                worker, index = idle.pop(0), waiting.pop(0)
                display.change(index, phase="merging on Ray")
                busy[worker.run.remote(index)] = worker, index
            (ready,), _ = ray.wait(list(busy))
            worker, index = busy.pop(ready)
            try:
                outcome = ray.get(ready)
            except RayTaskError as error:
                raise FailedOrderError(index) from error.cause
            except RayActorError as error:
                raise FailedOrderError(index) from RuntimeError(f"its process ended: {_gist(str(error))}")
            idle.append(worker)
            yield outcome
    finally:
        for worker in workers:
            ray.kill(worker)
        if started:
            ray.shutdown()


def _gist(text: str) -> str:
    """The first and the last line of what Ray says about an actor, without colours and underlines."""
    lines = [line.strip() for line in re.sub(r"\x1b\[\d*m", "", text).splitlines() if line.strip(" ^~")]
    return " ... ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))


class _Worker:
    """Lives in a process of Ray and keeps what the orders that it runs have in common."""

    def __init__(self, make_runs: Callable[[], OrderRuns], cores: int) -> None:
        self._make_runs, self._cores = make_runs, cores
        self._runs: OrderRuns | None = None

    def run(self, index: int) -> OrderOutcome:
        """Merge and score one order."""
        if self._runs is None:
            torch.set_num_threads(self._cores)
            runs = self._make_runs()
            self._runs = replace(runs, job=replace(runs.job, executor=ThreadExecutor(self._cores)))
        return self._runs.run(index)


def share_of_cores(executor: Executor, parallel: int) -> int:
    """How many cores each of some orders gets, at least one; with a word where that is more than there are."""
    total = cores_of(executor)
    if parallel > max(total, available_cores()):
        log.warning("%d orders at a time on %d cores are no faster than fewer", parallel, max(total, available_cores()))
    return max(1, total // parallel)
