"""Continual TIES: trim what is merged and the new task vector, elect signs, add what agrees.

Yadav et al., NeurIPS 2023, arXiv 2306.01708, one model at a time: the baseline of Tang et al. 2025, arXiv 2501.09522.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fusion_bench.functional.params import Params, squared_norm, task_vector
from fusion_bench.functional.sparsify import keep_fraction
from fusion_bench.functional.ties import check_merge_func, merge_tensors, plan_ties, widest_dtype, without
from fusion_bench.method.continual import ContinualAlgorithm
from fusion_bench.method.opcm.fold import added, lasting_task_vector, next_state, update
from fusion_bench.method.state import Base, MapTensors, MergeState, Update


def ties_step(
    state: MergeState | None,
    incoming: Params,
    base: Base,
    *,
    scaling_factor: float,
    threshold: float,
    remove_keys: Sequence[str],
    merge_func: str,
    accumulate: bool,
    map_tensors: MapTensors,
) -> MergeState:
    """θ^(t) = θ^(t−1) + λ · TIES(θ^(t−1) − θ_0, τ_t), or θ_0 + TIES(θ^(t−1) − θ_0, λ τ_t); first θ_0 + λ τ_1.

    Args:
        state: the models merged so far; None before the first.
        incoming: the parameters θ_t.
        base: the pretrained parameters θ_0.
        scaling_factor: λ.
        threshold: share of entries that survive trimming, see :func:`keep_fraction`.
        remove_keys: tensors that stay at θ_0; they count neither for trimming nor for the norms.
        merge_func: ``sum``, ``mean`` or ``max``.
        accumulate: the first formula, as published, which adds what is merged again at every step; else the second.
        map_tensors: runs a function over names.
    """
    names = without(base.mergeable, remove_keys)

    def vector(name: str) -> Tensor:
        return task_vector(incoming, base.params, name)

    def scaled(name: str) -> Tensor:
        return scaling_factor * vector(name)

    def first(name: str) -> Update:
        return added(None, name, lasting_task_vector(incoming, base, name), scaling_factor)

    if state is None:
        return next_state(state, map_tensors(first, names), divisor=1.0)
    before = state.accumulator
    plan = plan_ties(
        [before.__getitem__, vector if accumulate else scaled],
        names,
        keep=keep_fraction(threshold),
        merge_func=merge_func,
        dtype=widest_dtype(base.params, names),
        map_tensors=map_tensors,
    )

    def fold(name: str) -> Update:
        arrived = lasting_task_vector(incoming, base, name)
        square = squared_norm(arrived)
        ties = merge_tensors([before[name], arrived if accumulate else scaling_factor * arrived], plan)
        total = torch.add(before[name], ties, alpha=scaling_factor, out=arrived) if accumulate else arrived.copy_(ties)
        return update(total, square)

    return next_state(state, map_tensors(fold, names), divisor=1.0)


@dataclass(kw_only=True)
class ContinualTiesMerging(ContinualAlgorithm):
    """TIES between the merged model and each model that arrives.

    Args:
        scaling_factor: λ, the factor of what each step adds.
        threshold: share of the largest entries kept, a fraction in (0, 1] or a percentage in (1, 100].
        remove_keys: names of tensors that stay as in the pretrained model.
        merge_func: how agreeing entries merge: ``sum``, ``mean`` or ``max``.
        accumulate: add to the merged model what TIES makes of it and the new task vector, as published; false
            replaces it by that.
    """

    scaling_factor: float = 0.5
    threshold: float = 20
    remove_keys: Sequence[str] = field(default_factory=list)
    merge_func: str = "sum"
    accumulate: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_fraction(self.threshold)
        check_merge_func(self.merge_func)

    def merge_step(self, state: MergeState | None, incoming: Params, base: Base, map_tensors: MapTensors) -> MergeState:
        """Trim, elect and add."""
        return ties_step(
            state,
            incoming,
            base,
            scaling_factor=self.scaling_factor,
            threshold=self.threshold,
            remove_keys=self.remove_keys,
            merge_func=self.merge_func,
            accumulate=self.accumulate,
            map_tensors=map_tensors,
        )


ContinualTiesMergingForCLIP = ContinualTiesMerging
