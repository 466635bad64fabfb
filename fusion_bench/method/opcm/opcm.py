"""OPCM: each model contributes the part of its task vector that the models merged before do not already span.

Tang et al., "Merging Models on the Fly Without Retraining: A Sequential Approach to Scalable Continual Model Merging",
2025, arXiv 2501.09522.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from fusion_bench.functional.params import Params, task_vector
from fusion_bench.functional.subspace import project_out
from fusion_bench.method.continual import Base, ContinualAlgorithm, MapTensors, MergeState
from fusion_bench.method.opcm.fold import Update, accumulated, next_state, update
from fusion_bench.utils.lapack import lapack_eigensystem


class Fold(NamedTuple):
    """One tensor of the next state, and how many of its directions were protected (None where it was added whole)."""

    tensor: Update
    split_rank: int | None = None


def opcm_step(
    state: MergeState | None,
    incoming: Params,
    base: Base,
    *,
    alpha: float,
    zero_diagonal: bool,
    map_tensors: MapTensors,
) -> MergeState:
    """A ← A + Π_A(τ) for weights of linear layers, A ← A + τ for all else; merged = θ_0 + A/λ.

    λ_t = ‖A‖ / mean(‖τ_1‖ … ‖τ_t‖) gives the merged task vector the norm of an average one.

    Args:
        state: the models merged so far; None before the first, which is taken as it is.
        incoming: the parameters of the new model.
        base: the pretrained parameters.
        alpha: share of the singular values of A whose directions are protected, in [0, 1].
        zero_diagonal: also remove each singular direction's own coordinate.
        map_tensors: runs a function over names.
    """

    def fold(name: str) -> Fold:
        vector = task_vector(incoming, base.params, name)
        before = accumulated(state, name)
        if before is None:
            return Fold(update(vector, vector))
        if name not in base.linear_weights:
            return Fold(update(before + vector, vector))
        projected, rank = project_out(
            before, vector, alpha=alpha, zero_diagonal=zero_diagonal, solve=lapack_eigensystem
        )
        return Fold(update(projected.add_(before), vector), rank)

    folds = map_tensors(fold, base.mergeable)
    after = next_state(state, {name: fold.tensor for name, fold in folds.items()}, divisor=1.0)
    mean_norm = after.norm_sum / after.count
    first = state is None or mean_norm == 0 or after.accumulator_norm == 0
    ranks = {name: fold.split_rank for name, fold in folds.items() if fold.split_rank is not None}
    return replace(after, divisor=1.0 if first else after.accumulator_norm / mean_norm, split_ranks=ranks)


def check_alpha(alpha: float) -> None:
    """Check the protected share.

    Raises:
        ValueError: unless it is in [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")


@dataclass(kw_only=True)
class OPCM(ContinualAlgorithm):
    """Orthogonal projection-based continual merging.

    Args:
        alpha: share of the singular values of what is merged whose directions are protected, in [0, 1].
        zero_diagonal: also remove the coordinate of each singular direction u_i v_iᵀ, as the FusionBench code does; the
            code released with the paper keeps it.
    """

    alpha: float = 0.5
    zero_diagonal: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha)

    def merge_step(self, state: MergeState | None, incoming: Params, base: Base, map_tensors: MapTensors) -> MergeState:
        """Add what is new in ``incoming``."""
        return opcm_step(
            state, incoming, base, alpha=self.alpha, zero_diagonal=self.zero_diagonal, map_tensors=map_tensors
        )


OPCMForCLIP = OPCM
