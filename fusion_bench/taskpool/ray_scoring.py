"""Scoring on Ray actors, one task at a time each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn

from fusion_bench.taskpool.scoring import Question, Readings
from fusion_bench.utils.ray_session import import_ray, start_ray


class RayScoring:
    """Actors that each hold a copy of a task pool and keep what it prepares, for as long as this object lives.

    Args:
        actors: how many, at least 1; the cores and GPUs that Ray has are shared among them.
        make_pool: makes the copy, which scores in its own process.
    """

    def __init__(self, actors: int, make_pool: Callable[[], Any]) -> None:
        self._actors, self._make_pool = actors, make_pool
        self._handles: list[Any] = []

    def scores(
        self, towers: Sequence[nn.Module], question: Question, *, autocast: torch.dtype | None
    ) -> dict[str, list[Readings]]:
        """By task the scores of each tower.

        Args:
            towers: the actors get copies.
            question: what is asked of them.
            autocast: the lower precision in which the towers run; None is that of their weights.

        Raises:
            ImportError: if Ray is not installed.
            Exception: what a task meets, as without actors.
        """
        ray = import_ray()
        from ray.exceptions import RayTaskError
        from ray.util import ActorPool

        shared = ray.put([copy.deepcopy(tower).cpu() for tower in towers])
        pool = ActorPool(self._started(ray))
        for task in question.tasks:
            pool.submit(lambda actor, task: actor.scores.remote(shared, task, question, autocast), task)
        found: dict[str, list[Readings]] = {}
        try:
            while pool.has_next():
                found.update([pool.get_next_unordered()])
        except RayTaskError as error:
            raise error.cause from None
        return {task: found[task] for task in question.tasks}

    def _started(self, ray: Any) -> list[Any]:
        if not self._handles:
            start_ray(self._actors)
            resources = ray.cluster_resources()
            cores = max(1, int(resources.get("CPU", 1)) // self._actors)
            worker = ray.remote(num_cpus=cores, num_gpus=resources.get("GPU", 0) / self._actors)(_Scorer)
            self._handles = [worker.remote(self._make_pool, cores) for _ in range(self._actors)]
        return self._handles


class _Scorer:
    """Lives in an actor's process."""

    def __init__(self, make_pool: Callable[[], Any], cores: int) -> None:
        torch.set_num_threads(cores)
        self._pool = make_pool()
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def scores(
        self, towers: Sequence[nn.Module], task: str, question: Question, autocast: torch.dtype | None
    ) -> tuple[str, list[Readings]]:
        """The name of a task, and the scores of each tower on it."""
        context: Callable[[], AbstractContextManager[object]] = nullcontext
        if autocast is not None:
            context = partial(torch.autocast, self._device.type, dtype=autocast)
        self._pool.setup(device=self._device, autocast=context)
        with ExitStack() as stack:
            lent = [stack.enter_context(self._pool.ready(tower)) for tower in towers]
            return task, self._pool.batch_scores(lent, question, [task])[task]
