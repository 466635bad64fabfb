"""Apply one function to many tensors on Ray actors, each a process with one BLAS thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fusion_bench.utils.executors import Tick, one_blas_thread

T = TypeVar("T")


class RayExecutor:
    """Several tensors at a time, each in one of ``actors`` processes; to be used as a context manager.

    Ray starts with the first map. A Ray that already runs in this process is used and left running; one that was
    started here is shut down at the end.

    Args:
        actors: number of processes, at least 1.

    Raises:
        ValueError: if ``actors`` is less than 1.
    """

    def __init__(self, actors: int) -> None:
        if actors < 1:
            raise ValueError(f"the number of Ray actors must be at least 1, got {actors}")
        self.actors = actors
        self._handles: list[Any] = []
        self._started_ray = False

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()

    def map(self, function: Callable[[str], T], names: Sequence[str], tick: Tick | None = None) -> dict[str, T]:
        """Results by name, in the order of ``names``; the function and what it refers to travel once per actor.

        Raises:
            ImportError: if Ray is not installed.
        """
        ray = import_ray()
        from ray.util import ActorPool

        self._start(ray)
        shared = ray.put(function)
        ray.get([handle.take.remote(shared) for handle in self._handles])
        pool = ActorPool(self._handles)
        for name in names:
            pool.submit(lambda actor, name: actor.apply.remote(name), name)
        results: dict[str, T] = {}
        while pool.has_next():
            name, result = pool.get_next_unordered()
            results[name] = result
            if tick:
                tick(len(results), len(names))
        ray.get([handle.take.remote(None) for handle in self._handles])
        return {name: results[name] for name in names}

    def shutdown(self) -> None:
        """End the actors, and Ray itself if it was started here."""
        if not self._handles:
            return
        ray = import_ray()
        for handle in self._handles:
            ray.kill(handle)
        self._handles = []
        if self._started_ray:
            ray.shutdown()
            self._started_ray = False

    def _start(self, ray: Any) -> None:
        if self._handles:
            return
        self._started_ray = start_ray(self.actors)
        worker = ray.remote(_Worker)
        self._handles = [worker.remote() for _ in range(self.actors)]


class _Worker:
    """Lives in an actor's process."""

    def __init__(self) -> None:
        self._function: Callable[[str], Any] | None = None

    def take(self, function: Callable[[str], Any] | None) -> None:
        """Keep the function of one map, until None takes its place."""
        self._function = function

    def apply(self, name: str) -> tuple[str, Any]:
        """The name and its result, computed with one BLAS thread as in the thread executor."""
        if self._function is None:
            raise AssertionError("a map hands its function over before the first name")
        with one_blas_thread():
            return name, self._function(name)


def start_ray(actors: int) -> bool:
    """Start Ray on this machine with room for some actors, unless it runs; whether it was started."""
    ray = import_ray()
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a local run sends nothing anywhere
    ray.init(num_cpus=max(actors, os.cpu_count() or 1), include_dashboard=False, log_to_driver=False)
    return True


def import_ray() -> Any:
    """The Ray package.

    Raises:
        ImportError: with what to install, if it is missing.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError(
            "num_ray_actors > 0 needs Ray: pip install 'fusion_bench[ray]', or set num_ray_actors=0"
        ) from error
    return ray
