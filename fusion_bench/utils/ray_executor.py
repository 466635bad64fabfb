"""Apply one function to many tensors on Ray actors, each a process with one BLAS thread that owns some of them."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from fusion_bench.utils.executors import Tick, one_blas_thread
from fusion_bench.utils.memory import recycling_freed_memory
from fusion_bench.utils.ray_session import import_ray, release_cores, reserve_cores, start_ray

T = TypeVar("T")
log = logging.getLogger(__name__)
_LOOK_SECONDS = 25  # for every actor to look at some files
_DEATHS = 3  # of an actor in a row, without a result in between, after which a map gives up


class RayExecutor:
    """Several tensors at a time, each in the process that owns it; Ray starts when it is first needed.

    A Ray that already runs in this process is used and left running; one that was started here is shut down at the
    end. An actor that dies is replaced, and what it had not finished is done again.

    Args:
        actors: number of processes, at least 1, of one core each.
        ray_address: ``host:port`` of a running cluster, or ``auto`` for the one of this machine; None starts a Ray on
            this machine. The machines of a cluster have to see the checkpoints and the directory of the state under
            the same paths.

    Raises:
        ValueError: if ``actors`` is less than 1.
    """

    def __init__(self, actors: int = 2, ray_address: str | None = None) -> None:
        if actors < 1:
            raise ValueError(f"the number of Ray actors must be at least 1, got {actors}")
        self.actors, self.ray_address = actors, ray_address
        self._handles: list[Any] = []
        self._cores: Any = None
        self._started_ray = False
        self._maps = 0

    @property
    def owners(self) -> int:
        """Each actor owns tensors."""
        return self.actors

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()

    def map(
        self,
        function: Callable[[str], T],
        names: Sequence[str],
        tick: Tick | None = None,
        owner_of: Mapping[str, int] | None = None,
    ) -> dict[str, T]:
        """Results by name, in the order of ``names``; the function and what it refers to travel once per actor.

        Raises:
            ImportError: if Ray is not installed.
            ConnectionError: if no cluster answers at ``ray_address``.
            ValueError: if Ray has too few cores.
            TimeoutError: if too few of them are free.
            RuntimeError: if an actor dies again and again.
            Exception: what the function raises.
        """
        if owner_of is None:
            owner_of = {name: place % self.actors for place, name in enumerate(names)}
        try:
            results = self._map(function, names, tick, owner_of)
        except BaseException:
            self._end_actors()  # with what they still had to do
            raise
        return {name: results[name] for name in names}

    def share(self, params: Mapping[str, Tensor], owner: str, files: Sequence[Path] = ()) -> Mapping[str, Tensor]:
        """``params``, read by each actor from ``files`` or, where there are none, from Ray's object store.

        Raises:
            FileNotFoundError: if an actor does not see a file.
        """
        ray = self._start()
        if not files:
            return _StoredTensors(ray, params)
        sizes = {str(path): path.stat().st_size for path in files}
        for host, unseen in ray.get([actor.unseen.remote(sizes) for actor in self._handles], timeout=_LOOK_SECONDS):
            if unseen:
                raise FileNotFoundError(
                    f"{owner}: the Ray actor on {host} does not see {unseen[0]} as it is here; put checkpoints where "
                    "all machines of the cluster have them under the same path"
                )
        return params

    def shutdown(self) -> None:
        """End the actors, and Ray itself if it was started here."""
        self._end_actors()
        if self._started_ray:
            import_ray().shutdown()
            self._started_ray = False

    def _map(
        self, function: Callable[[str], T], names: Sequence[str], tick: Tick | None, owner_of: Mapping[str, int]
    ) -> dict[str, T]:
        ray = self._start()
        from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError

        self._maps += 1
        shared = [ray.put(function)]  # in a list an actor gets the reference, and follows it once
        waiting: dict[Any, str] = {}
        deaths = [0] * self.actors

        def submit(name: str) -> None:
            waiting[self._handles[owner_of[name]].apply.remote(self._maps, shared, name)] = name

        for name in names:
            submit(name)
        results: dict[str, T] = {}
        while waiting:
            ready, _ = ray.wait(list(waiting))
            name = waiting.pop(ready[0])
            owner = owner_of[name]
            try:
                results[name] = ray.get(ready[0])
            except (RayActorError, OutOfMemoryError) as error:
                deaths[owner] += 1
                self._replace(owner, deaths[owner], error)
                lost = {ref: other for ref, other in waiting.items() if owner_of[other] == owner}
                for ref in lost:
                    del waiting[ref]
                for again in (name, *lost.values()):
                    submit(again)
                continue
            except RayTaskError as error:
                raise error.cause from None
            deaths[owner] = 0
            if tick:
                tick(len(results), len(names))
        return results

    def _start(self) -> Any:
        ray = import_ray()
        if not self._handles:
            self._started_ray = start_ray(self.actors, self.ray_address) or self._started_ray
            self._cores = reserve_cores(self.actors)
            self._handles = [self._new_actor(place) for place in range(self.actors)]
            ray.get([handle.ping.remote() for handle in self._handles])
        return ray

    def _new_actor(self, owner: int) -> Any:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        place = PlacementGroupSchedulingStrategy(self._cores, placement_group_bundle_index=owner)
        return import_ray().remote(num_cpus=1, scheduling_strategy=place)(_Worker).remote()

    def _replace(self, owner: int, deaths: int, error: Exception) -> None:
        """Put a new actor in the place of one that died."""
        reason = str(error).strip().splitlines()[0]
        if deaths >= _DEATHS:
            raise RuntimeError(
                f"the Ray actor {owner} died {deaths} times in a row ({reason}); if it ran out of memory, take fewer "
                "actors on each machine"
            ) from error
        log.warning("the Ray actor %d died (%s); a new one goes on with its tensors", owner, reason)
        self._handles[owner] = self._new_actor(owner)

    def _end_actors(self) -> None:
        if self._handles and import_ray().is_initialized():
            for handle in self._handles:
                import_ray().kill(handle)
            release_cores(self._cores)
        self._handles, self._cores = [], None


class _Worker:
    """Lives in an actor's process."""

    def __init__(self) -> None:
        self._settings = ExitStack()  # as in the thread executor, until the process ends
        self._settings.enter_context(one_blas_thread())
        self._release = self._settings.enter_context(recycling_freed_memory())
        self._map: tuple[int, Callable[[str], Any]] | None = None

    def ping(self) -> None:
        """Answer."""

    def unseen(self, sizes: Mapping[str, int]) -> tuple[str, list[str]]:
        """The name of this machine, and the files that are not here or have another size."""
        return socket.gethostname(), [path for path, size in sizes.items() if _size(Path(path)) != size]

    def apply(self, number: int, shared: Sequence[Any], name: str) -> Any:
        """The result of the function of a map, which is fetched with its first name."""
        if self._map is None or self._map[0] != number:
            self._map = None  # what it held goes before the next comes
            self._map = number, import_ray().get(shared[0])
        result = self._map[1](name)
        self._release()
        return result


class _StoredTensors(Mapping[str, Tensor]):
    """Tensors of this process, and in Ray's object store for others, who get each when they ask for it."""

    def __init__(self, ray: Any, params: Mapping[str, Tensor]) -> None:
        self._here: Mapping[str, Tensor] | None = {name: params[name].detach().cpu() for name in params}
        self._stored = {
            name: (ray.put(_bytes(tensor)), tensor.dtype, tensor.shape) for name, tensor in self._here.items()
        }

    def __getitem__(self, name: str) -> Tensor:
        if self._here is not None:
            return self._here[name]
        reference, dtype, shape = self._stored[name]
        tensor = torch.empty(shape, dtype=dtype)
        tensor.flatten().view(torch.uint8).copy_(torch.from_numpy(import_ray().get(reference).copy()))
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __getstate__(self) -> dict[str, Any]:
        return {"_here": None, "_stored": self._stored}


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _bytes(tensor: Tensor) -> Any:
    return tensor.contiguous().flatten().view(torch.uint8).numpy()
