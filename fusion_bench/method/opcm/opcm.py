"""OPCM: merge models as they arrive, projecting each task vector away from what is already merged.

Tang et al., "Merging Models on the Fly Without Retraining: A Sequential Approach to Scalable Continual Model
Merging", 2025, arXiv 2501.09522.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from fusion_bench.functional.batched_subspace import project_out_stack
from fusion_bench.functional.params import Params, squared_norm, task_vector
from fusion_bench.functional.subspace import project_out
from fusion_bench.method.continual import ContinualAlgorithm
from fusion_bench.method.opcm.fold import added, lasting_task_vector, next_state, update
from fusion_bench.method.opcm.stacks import StackedUpdates, pays_to_stack, stacks_of
from fusion_bench.method.state import Base, MapTensors, MergeState, Update
from fusion_bench.utils.lapack import LAPACK


def opcm_step(
    state: MergeState | None,
    incoming: Params,
    base: Base,
    *,
    alpha: float,
    zero_diagonal: bool,
    map_tensors: MapTensors,
) -> MergeState:
    """Add the part of ``incoming`` that the models merged so far do not already span.

    A ← A + Π_A(τ) for the weights of linear layers and A ← A + τ for every other tensor, where τ = θ_t − θ_0; the
    merged model is θ_0 + A / λ_t with λ_t = ‖A‖ / mean(‖τ_1‖ … ‖τ_t‖).

    Args:
        state: the models merged so far; None before the first, which enters as it is.
        incoming: the parameters θ_t.
        base: the pretrained parameters θ_0, and which of them are weights of linear layers.
        alpha: share of the singular values whose directions are protected, in [0, 1].
        zero_diagonal: also remove the component along each singular direction's own pair.
        map_tensors: runs a function over names.
    """

    stacked: StackedUpdates | None = None
    names = [name for name in base.mergeable if name in base.linear_weights] if state else []
    if state and names and pays_to_stack(base.params[names[0]].device):
        compute = partial(_fold_stack, state, incoming, base, alpha=alpha, zero_diagonal=zero_diagonal)
        stacked = StackedUpdates(stacks_of({name: base.params[name] for name in names}), compute)

    def fold(name: str) -> Update:
        if stacked and name in stacked:
            return stacked(name)
        vector = lasting_task_vector(incoming, base, name)
        if state is None or name not in base.linear_weights:
            return added(state, name, vector)
        accumulator = state.accumulator[name]
        square = squared_norm(vector)
        projected, rank = project_out(
            accumulator, vector, alpha=alpha, zero_diagonal=zero_diagonal, solver=LAPACK, out=vector
        )
        return update(projected.add_(accumulator), square, rank)

    merged = next_state(state, map_tensors(fold, base.mergeable), divisor=1.0)
    mean_norm = merged.norm_sum / merged.count
    # Without a change to merge there is nothing to scale.
    divisor = merged.accumulator_norm / mean_norm if merged.accumulator_norm > 0 and mean_norm > 0 else 1.0
    return replace(merged, divisor=divisor)


def _fold_stack(
    state: MergeState, incoming: Params, base: Base, names: Sequence[str], *, alpha: float, zero_diagonal: bool
) -> list[Update]:
    """The updates of weights of one shape."""
    vectors = [task_vector(incoming, base.params, name) for name in names]
    accumulators = [state.accumulator[name] for name in names]
    projected, ranks = project_out_stack(
        torch.stack(accumulators), torch.stack(vectors), alpha=alpha, zero_diagonal=zero_diagonal
    )
    parts = zip(accumulators, projected, vectors, ranks.tolist(), strict=True)
    return [update(accumulator + part, squared_norm(vector), rank) for accumulator, part, vector, rank in parts]


def projection_cost(name: str, base: Base) -> float:
    """About how long a step takes for one tensor, in any unit.

    The products and the eigensystem of the weight of a linear layer grow with the entries times the shorter side.
    """
    tensor = base.params[name]
    return float(tensor.numel() * (min(tensor.shape) if name in base.linear_weights else 1))


def check_alpha(alpha: float) -> None:
    """Check the share of protected singular values.

    Raises:
        ValueError: if it is not in [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")


@dataclass(kw_only=True)
class OPCM(ContinualAlgorithm):
    """Orthogonal projection of each new task vector against the models merged so far.

    Args:
        alpha: share of the singular values whose directions are protected, in [0, 1].
        zero_diagonal: also remove the diagonal of Uᵀ τ V, as the published code does and the paper's own does not.

    Raises:
        ValueError: if ``alpha`` is out of range.
    """

    alpha: float = 0.5
    zero_diagonal: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha)

    def tensor_cost(self, name: str, base: Base) -> float:
        """That of its projection."""
        return projection_cost(name, base)

    def merge_step(self, state: MergeState | None, incoming: Params, base: Base, map_tensors: MapTensors) -> MergeState:
        """Add the projected task vector of ``incoming``."""
        return opcm_step(
            state, incoming, base, alpha=self.alpha, zero_diagonal=self.zero_diagonal, map_tensors=map_tensors
        )


OPCMForCLIP = OPCM
