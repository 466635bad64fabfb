"""Continual task arithmetic: add a multiple of every task vector as it arrives.

Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023, arXiv 2212.04089, one model at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusion_bench.functional.params import Params
from fusion_bench.method.continual import ContinualAlgorithm
from fusion_bench.method.opcm.fold import added, lasting_task_vector, next_state
from fusion_bench.method.state import Base, MapTensors, MergeState, Update


def task_arithmetic_step(
    state: MergeState | None, incoming: Params, base: Base, *, scaling_factor: float, map_tensors: MapTensors
) -> MergeState:
    """θ^(t) = θ^(t−1) + λ (θ_t − θ_0); the accumulator is λ times the sum of the task vectors.

    Args:
        state: the models merged so far; None before the first.
        incoming: the parameters θ_t.
        base: the pretrained parameters θ_0.
        scaling_factor: λ.
        map_tensors: runs a function over names.
    """

    def fold(name: str) -> Update:
        return added(state, name, lasting_task_vector(incoming, base, name), scaling_factor)

    return next_state(state, map_tensors(fold, base.mergeable), divisor=1.0)


@dataclass(kw_only=True)
class ContinualTaskArithmetic(ContinualAlgorithm):
    """Task arithmetic over models that arrive one at a time; the result does not depend on their order.

    Args:
        scaling_factor: λ, the factor of every task vector.
    """

    scaling_factor: float = 0.3

    @property
    def order_free(self) -> bool:
        """True: a sum does not depend on the order of its terms."""
        return True

    def merge_step(self, state: MergeState | None, incoming: Params, base: Base, map_tensors: MapTensors) -> MergeState:
        """Add the scaled task vector of ``incoming``."""
        return task_arithmetic_step(state, incoming, base, scaling_factor=self.scaling_factor, map_tensors=map_tensors)


ContinualTaskArithmeticForCLIP = ContinualTaskArithmetic
