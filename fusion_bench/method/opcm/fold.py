"""What the steps of continual methods share: from updated tensors to the next state."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from fusion_bench.functional.params import squared_norm
from fusion_bench.method.state import MergeState, Update


def update(accumulator: Tensor, vector: Tensor, rank: int | None = None) -> Update:
    """The update of one tensor to ``accumulator``, after ``vector`` went in; ``rank`` directions were protected."""
    return Update(accumulator, squared_norm(accumulator), squared_norm(vector), rank)


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


def accumulated(state: MergeState | None, name: str) -> Tensor | None:
    """The accumulator of one tensor; None before the first model."""
    return state.accumulator[name] if state else None
