"""The projection of OPCM for many matrices of one shape at a time, without a word to the host in between.

On an accelerator a single matrix leaves most units idle, and every number that the host asks for makes it wait. So all
is computed here for the whole stack, in float64, and ranks are masks. See ``subspace.py`` for
the mathematics and for one matrix at a time, which is faster on a processor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fusion_bench.functional.subspace import RELATIVE_TOLERANCE, SLACK


def project_out_stack(
    accumulators: Tensor, task_vectors: Tensor, *, alpha: float, zero_diagonal: bool = True
) -> tuple[Tensor, Tensor]:
    """Remove from each task vector what lies in the leading singular directions of its accumulator.

    Args:
        accumulators: the sums of what was merged so far, ``(b, rows, columns)``.
        task_vectors: τ, of the same shape, dtype class and device.
        alpha: share of the singular values that is protected, in [0, 1].
        zero_diagonal: also remove each σ_i's own direction u_i v_iᵀ.

    Returns:
        The projected task vectors, new, in their dtype, and the split rank of each, ``(b,)``, where they are.

    Raises:
        ValueError: if the two are not stacks of matrices of the same shape.
    """
    if accumulators.ndim != 3 or accumulators.shape != task_vectors.shape:
        raise ValueError(
            f"accumulators and task vectors must be stacks of matrices of one shape, got {tuple(accumulators.shape)} "
            f"and {tuple(task_vectors.shape)}"
        )
    tall = accumulators.shape[1] > accumulators.shape[2]
    rows, vectors = (stack.double().mT if tall else stack.double() for stack in (accumulators, task_vectors))
    values, left = torch.linalg.eigh(rows @ rows.mT)  # smallest first
    values, left = values.flip(-1).clamp(min=0).sqrt(), left.flip(-1)
    defined = values > RELATIVE_TOLERANCE * values[:, :1]
    ranks = _split_ranks(values, defined, alpha)
    leading = torch.arange(values.shape[1], device=values.device) < ranks[:, None]
    right = (left.mT @ rows) * torch.where(defined, 1 / values, 0)[:, :, None]  # Vᵀ: (b, m, n)
    coordinates = left.mT @ vectors
    protected = (coordinates * leading[:, :, None]) @ (right * leading[:, :, None]).mT
    removed = protected @ (right * leading[:, :, None])
    if zero_diagonal:
        own = torch.linalg.vecdot(coordinates, right) * (defined & ~leading)
        removed += right * own[:, :, None]
    result = vectors - left @ removed
    return (result.mT if tall else result).to(task_vectors.dtype), ranks


def _split_ranks(values: Tensor, defined: Tensor, alpha: float) -> Tensor:
    """As ``split_rank``, for each row of singular values."""
    counts = defined.sum(-1)
    if alpha >= 1:
        return counts
    sums = values.cumsum(-1)
    return torch.minimum(counts, (sums <= (alpha + SLACK) * sums[:, -1:]).sum(-1))
