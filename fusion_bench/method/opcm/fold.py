"""What the steps of continual methods share: from updated tensors to the next state."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from fusion_bench.functional.params import Params, squared_norm, task_vector, work_dtype
from fusion_bench.method.state import Base, MergeState, Update
from fusion_bench.utils.memory import empty_apart


def lasting_task_vector(incoming: Params, base: Base, name: str) -> Tensor:
    """The task vector of one tensor, in a place that its update may take: apart from what others are computed with."""
    origin = base.params[name]
    place = empty_apart(origin.shape, work_dtype(origin), origin.device)
    with torch.no_grad():  # parameters of a live module want a gradient, which nothing written in place can have
        return task_vector(incoming, base.params, name, out=place)


def added(state: MergeState | None, name: str, vector: Tensor, factor: float = 1.0) -> Update:
    """The update that adds ``factor`` times ``vector`` to what was merged so far; it takes the place of ``vector``."""
    square = squared_norm(vector)
    if state is None:
        total = vector.mul_(factor)
    else:
        total = torch.add(state.accumulator[name], vector, alpha=factor, out=vector)
    return update(total, square)


def update(accumulator: Tensor, vector_square: float, rank: int | None = None) -> Update:
    """The update of one tensor to ``accumulator``, of whose directions ``rank`` were protected.

    Args:
        accumulator: what takes the place of the tensor of the state before.
        vector_square: the squared norm of the task vector that went in, taken before its place was.
        rank: None where nothing was projected.
    """
    return Update(accumulator, squared_norm(accumulator), vector_square, rank)


def next_state(state: MergeState | None, updates: Mapping[str, Update], divisor: float) -> MergeState:
    """The state after ``state``, which is None before the first model."""
    norm = math.sqrt(math.fsum(tensor.vector_square for tensor in updates.values()))
    return MergeState(
        accumulator={name: tensor.accumulator for name, tensor in updates.items()},
        divisor=divisor,
        count=state.count + 1 if state else 1,
        task_vector_norm=norm,
        norm_sum=state.norm_sum + norm if state else norm,
        accumulator_norm=math.sqrt(math.fsum(tensor.accumulator_square for tensor in updates.values())),
        split_ranks={name: tensor.rank for name, tensor in updates.items() if tensor.rank is not None},
    )
