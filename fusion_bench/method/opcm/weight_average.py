"""Continual weight average: the running mean of the models seen so far.

Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482, one model at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusion_bench.functional.params import Params
from fusion_bench.method.continual import ContinualAlgorithm
from fusion_bench.method.opcm.fold import added, lasting_task_vector, next_state
from fusion_bench.method.state import Base, MapTensors, MergeState, Update


def weight_average_step(
    state: MergeState | None, incoming: Params, base: Base, *, map_tensors: MapTensors
) -> MergeState:
    """θ^(t) = (t · θ^(t−1) + θ_{t+1}) / (t + 1), kept as the sum of the differences to ``base`` and their number.

    Any common point may serve as ``base``; one that is near the models keeps the rounding of float32 small.

    Args:
        state: the models merged so far; None before the first.
        incoming: the parameters of the new model.
        base: the pretrained model, or the first one.
        map_tensors: runs a function over names.
    """

    def fold(name: str) -> Update:
        return added(state, name, lasting_task_vector(incoming, base, name))

    return next_state(state, map_tensors(fold, base.mergeable), divisor=float(state.count + 1 if state else 1))


@dataclass(kw_only=True)
class ContinualWeightAverage(ContinualAlgorithm):
    """The mean of the models that have arrived; order-free, and defined without a pretrained model."""

    @property
    def order_free(self) -> bool:
        """True: a mean does not depend on the order of its terms."""
        return True

    @property
    def needs_pretrained(self) -> bool:
        """False: the first model serves as the common point."""
        return False

    def merge_step(self, state: MergeState | None, incoming: Params, base: Base, map_tensors: MapTensors) -> MergeState:
        """Add ``incoming`` to the mean."""
        return weight_average_step(state, incoming, base, map_tensors=map_tensors)


ContinualWeightAverageForCLIP = ContinualWeightAverage
