"""Scoring by a group of processes (DDP): the first one asks, each scores its share of the batches.

Only the first process merges, reads and writes files of the run. The batches are those of a single process and are
added up in their order, so the scores are the same numbers.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from fusion_bench.taskpool.scoring import BatchScore, Question, Readings, Scoring, Share

T = TypeVar("T")
Plan = Callable[[Sequence[nn.Module], str, Question], Scoring]


def is_grouped() -> bool:
    """Whether this process is one of several."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def lead(
    towers: Sequence[nn.Module], question: Question, device: torch.device, plan: Plan
) -> dict[str, list[Readings]]:
    """In the first process: by task the scores of each tower.

    Args:
        towers: on ``device``; the other processes get copies.
        question: what is asked of them.
        device: of this process.
        plan: makes what it takes to score towers on a task.

    Raises:
        Exception: the first that any of the processes met.
    """
    _broadcast((question, [copy.deepcopy(tower).cpu() for tower in towers]))
    return {task: _score(towers, task, question, device, plan) for task in question.tasks}


def follow(device: torch.device, plan: Plan) -> None:
    """In any other process: do what the first one asks, until it has no more work."""
    while (work := _broadcast(None)) is not None:
        question, towers = work
        towers = [tower.to(device) for tower in towers]
        with torch.inference_mode():
            try:
                for task in question.tasks:
                    _score(towers, task, question, device, plan)
            except Exception:  # the first process raises it as well, and decides what to do
                continue


def dismiss() -> None:
    """In the first process: let the others end."""
    _broadcast(None)


def _score(
    towers: Sequence[nn.Module], task: str, question: Question, device: torch.device, plan: Plan
) -> list[Readings]:
    """The scores of each tower on one task, from the batches of all processes."""
    rank, world_size = dist.get_rank(), dist.get_world_size()

    def prepare() -> Scoring:
        scoring = plan(towers, task, question)
        if rank == 0:  # the others find the images in the store
            scoring.batches.prepare()
        return scoring

    scoring: list[Scoring] = []
    _together(lambda: scoring.append(prepare()))
    shares = _together(lambda: scoring[0].scores(towers, device, Share(rank, world_size)))
    return [_merged([share[place] for share in shares]) for place in range(len(towers))]


def _merged(shares: Sequence[Readings]) -> Readings:
    """The readings of one tower on the batches of all processes; one that had no batch has none to give."""
    merged: list[dict[int, BatchScore]] = [{} for _ in range(max(map(len, shares)))]
    for share in shares:
        for reading, scores in zip(merged, share, strict=False):
            reading.update(scores)
    return merged


def _together(act: Callable[[], T]) -> list[T]:
    """What the act gives in each process, once all have done it.

    Raises:
        Exception: the first that any of them met, in all of them, so that none waits for another.
    """
    mine: Any
    try:
        mine = act()
    except Exception as error:
        mine = _portable(error)
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    for result in everyone:
        if isinstance(result, Exception):
            raise result
    return everyone


def _portable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _broadcast(work: Any) -> Any:
    """What the first process says."""
    box = [work]
    dist.broadcast_object_list(box, src=0)
    return box[0]
